"""The metrics that a task of one's own data may be judged by, all lower is better but AUROC."""

import numpy as np
from sklearn.metrics import balanced_accuracy_score, f1_score, mean_absolute_error, roc_auc_score

from pare.tasks.samples import ERROR
from pare.tasks.task import Metric


def _f1(predictions: np.ndarray, targets: np.ndarray) -> float:
    """1 - macro-F1 of scores (n, classes); of multi-label logits, at probability one half."""
    hard = predictions.argmax(axis=1) if targets.ndim == 1 else predictions > 0
    return 1 - float(f1_score(targets, hard, average="macro", zero_division=0))


def _balanced(predictions: np.ndarray, targets: np.ndarray) -> float:
    return 100 * (1 - float(balanced_accuracy_score(targets, predictions.argmax(axis=1))))


def _auroc(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Area under the ROC, each class against the rest, averaged over those that are there and not everywhere."""
    truth = targets if targets.ndim == 2 else np.eye(predictions.shape[1])[targets]
    scores = predictions
    if targets.ndim == 1:  # of logits only what softmax makes of them compares between samples
        scores = np.exp(predictions - predictions.max(axis=1, keepdims=True))
        scores = scores / scores.sum(axis=1, keepdims=True)
    told = np.flatnonzero((truth.min(axis=0) == 0) & (truth.max(axis=0) == 1))
    return float(np.mean([roc_auc_score(truth[:, k], scores[:, k]) for k in told])) if len(told) else 0.5


def _rmse(predictions: np.ndarray, targets: np.ndarray) -> float:
    return float(np.sqrt(np.square(predictions.astype(np.float64) - targets).mean()))


def _mae(predictions: np.ndarray, targets: np.ndarray) -> float:
    return float(mean_absolute_error(targets.reshape(-1), predictions.reshape(-1)))


def _relative(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Mean over samples; a target of zeros counts as of norm 1."""
    n = len(targets)
    norms = np.linalg.norm(targets.reshape(n, -1), axis=1)
    errors = np.linalg.norm((predictions - targets).reshape(n, -1), axis=1)
    return float((errors / np.where(norms > 0, norms, 1)).mean())


METRICS = {
    "error": ERROR,
    "macro-f1": Metric("1 - macro-F1", "minimize", _f1),
    "balanced-error": Metric("balanced error", "minimize", _balanced, unit="%"),
    "auroc": Metric("AUROC", "maximize", _auroc),
    "rmse": Metric("RMSE", "minimize", _rmse),
    "mae": Metric("MAE", "minimize", _mae),
    "relative-l2": Metric("relative L2", "minimize", _relative),
}
FITTING = {
    "classification": ("error", "macro-f1", "balanced-error", "auroc"),
    "multilabel": ("auroc", "macro-f1"),
    "dense": ("rmse", "mae", "relative-l2"),
}
DEFAULT = {"classification": "error", "multilabel": "auroc", "dense": "rmse"}

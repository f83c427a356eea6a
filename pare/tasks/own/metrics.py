"""The metrics that a user may choose for their data; lower is better for all but AUROC."""

import numpy as np
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, f1_score, mean_absolute_error, r2_score, roc_auc_score

from pare.data.checks import ERROR
from pare.data.task import Metric


def _f1(predictions: np.ndarray, targets: np.ndarray) -> float:
    """1 - macro-F1 of scores (n, classes); of multi-label logits, at probability one half."""
    hard = predictions.argmax(axis=1) if targets.ndim == 1 else predictions > 0
    return 1 - float(f1_score(targets, hard, average="macro", zero_division=0))


def _balanced(predictions: np.ndarray, targets: np.ndarray) -> float:
    return 100 * (1 - float(balanced_accuracy_score(targets, predictions.argmax(axis=1))))


def _auroc(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Area under the ROC, each class against the rest, averaged over classes with positives and negatives."""
    truth = targets if targets.ndim == 2 else np.eye(predictions.shape[1])[targets]
    scores = predictions if targets.ndim == 2 else _probabilities(predictions)
    told = np.flatnonzero((truth.min(axis=0) == 0) & (truth.max(axis=0) == 1))
    return float(np.mean([roc_auc_score(truth[:, k], scores[:, k]) for k in told])) if len(told) else 0.5


def _auroc_by_pairs(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Area under the ROC of classes (n,), one against one, averaged over all pairs of classes that occur."""
    scores, there = _probabilities(predictions), np.unique(targets)
    if len(there) < 2:
        return 0.5
    if scores.shape[1] == 2:
        return float(roc_auc_score(targets, scores[:, 1]))
    scores = scores[:, there] / scores[:, there].sum(axis=1, keepdims=True)
    if len(there) == 2:
        return float(roc_auc_score(targets == there[1], scores[:, 1]))
    return float(roc_auc_score(targets, scores, multi_class="ovo"))


def _probabilities(logits: np.ndarray) -> np.ndarray:
    """The softmax of logits (n, classes): logits themselves cannot be compared between samples."""
    return np.asarray(softmax(logits.astype(np.float64), axis=1))


def _rmse(predictions: np.ndarray, targets: np.ndarray) -> float:
    return float(np.sqrt(np.square(predictions.astype(np.float64) - targets).mean()))


def _mae(predictions: np.ndarray, targets: np.ndarray) -> float:
    return float(mean_absolute_error(targets.reshape(-1), predictions.reshape(-1)))


def _unexplained(predictions: np.ndarray, targets: np.ndarray) -> float:
    """1 - R² of targets (n, k), averaged over k."""
    return 1 - float(r2_score(targets, predictions))


def _relative(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Relative L2 error, averaged over samples; the norm of an all-zero target counts as 1."""
    n = len(targets)
    norms = np.linalg.norm(targets.reshape(n, -1), axis=1)
    errors = np.linalg.norm((predictions - targets).reshape(n, -1), axis=1)
    return float((errors / np.where(norms > 0, norms, 1)).mean())


METRICS = {
    "error": ERROR,
    "macro-f1": Metric("1 - macro-F1", "minimize", _f1),
    "balanced-error": Metric("balanced error", "minimize", _balanced, unit="%"),
    "auroc": Metric("AUROC", "maximize", _auroc),
    "auroc-ovo": Metric("AUROC, one against one", "maximize", _auroc_by_pairs),
    "rmse": Metric("RMSE", "minimize", _rmse),
    "mae": Metric("MAE", "minimize", _mae),
    "r2": Metric("1 - R²", "minimize", _unexplained),
    "relative-l2": Metric("relative L2", "minimize", _relative),
}
FITTING = {
    "classification": ("error", "macro-f1", "balanced-error", "auroc", "auroc-ovo"),
    "multilabel": ("auroc", "macro-f1"),
    "dense": ("rmse", "mae", "relative-l2"),
    "regression": ("rmse", "mae", "r2"),
}
DEFAULT = {"classification": "error", "multilabel": "auroc", "dense": "rmse", "regression": "rmse"}

"""The base of dense source proxies: foreground masks, and how predictions are compared with them."""

import numpy as np
import torch.nn.functional as F
from sklearn.metrics import jaccard_score
from torch import Tensor

from pare.data.task import Metric
from pare.losses import binary_cross_entropy


def cross_entropy(predictions: Tensor, masks: Tensor) -> Tensor:
    """Sigmoid cross-entropy of logits (B, H, W) against masks (B, h, w) of 0 and 1, averaged within a sample: (B,).

    Masks of another size are resized to the logits', to the nearest pixel: beside a dense target, a source is predicted
    at the target's size.
    """
    resized = F.interpolate(masks[:, None].to(predictions.dtype), predictions.shape[1:], mode="nearest-exact")
    return binary_cross_entropy(predictions, resized[:, 0])


def one_minus_iou(predictions: np.ndarray, masks: np.ndarray) -> float:
    """1 minus intersection over union of the foreground, found (logit > 0) and true, over the whole set."""
    return 1.0 - float(jaccard_score(masks.ravel() > 0, predictions.ravel() > 0, zero_division=1.0))


METRIC = Metric("1 - IoU", "minimize", one_minus_iou)

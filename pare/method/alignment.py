"""The optimal-transport dataset distance (OTDD, Alvarez-Melis & Fusi 2020), which the baseline ORCA aligns by.

A data set is a cloud of features with classes. The cost of moving one sample onto another is the squared distance
between their features plus that between their classes, each class being the Gaussian of its features.

Shapes: B and S samples, K and L classes, D features.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

_BORROWED = 10
"""Weight, in samples, of the pooled covariance in each class's own: a class of one sample has no other."""

# Sinkhorn stops when the plan's column sums are off by this share of their norm, or after this many iterations.
_TOLERANCE, _TURNS = 1e-3, 500


class Cloud(NamedTuple):
    """Features `x` (B, D) and classes `y` (B,), integers from 0 without gaps."""

    x: Tensor
    y: Tensor


class Gaussians(NamedTuple):
    """One Gaussian per class, float64."""

    means_KD: Tensor
    covariances_KDD: Tensor


@torch.no_grad()
def gaussians(cloud: Cloud) -> Gaussians:
    """Return the Gaussian of each class, its covariance shrunk towards the one pooled over classes."""
    members = [cloud.x[cloud.y == k].double() for k in range(int(cloud.y.max()) + 1)]
    means_KD = torch.stack([x.mean(0) for x in members])
    counts_K = torch.tensor([len(x) for x in members], device=cloud.x.device)
    scatter_KDD = torch.stack([(x - mean).T @ (x - mean) for x, mean in zip(members, means_KD, strict=True)])
    pooled_DD = scatter_KDD.sum(0) / len(cloud.x)
    return Gaussians(means_KD, (scatter_KDD + _BORROWED * pooled_DD) / (counts_K + _BORROWED)[:, None, None])


@torch.no_grad()
def wasserstein(a: Gaussians, b: Gaussians) -> Tensor:
    """W₂² (K, L) between Gaussians, Bures-Wasserstein squared: ‖μ - μ'‖² + tr(Σ + Σ' - 2(Σ^½ Σ' Σ^½)^½)."""
    values_KD, vectors_KDD = torch.linalg.eigh(a.covariances_KDD)
    roots_KDD = (vectors_KDD * values_KD.clamp_min(0).sqrt()[:, None]) @ vectors_KDD.mT
    # Class by class: all pairs at once would hold K·L matrices.
    common_KL = torch.stack(
        [torch.linalg.eigvalsh(r @ b.covariances_KDD @ r).clamp_min(0).sqrt().sum(-1) for r in roots_KDD]
    )
    traces_K, traces_L = (g.covariances_KDD.diagonal(dim1=1, dim2=2).sum(-1) for g in (a, b))
    means_KL = torch.cdist(a.means_KD, b.means_KD).square()
    return (means_KL + traces_K[:, None] + traces_L - 2 * common_KL).clamp_min(0)


def ground_cost(a: Cloud, b: Cloud, classes_KL: Tensor) -> Tensor:
    """d² (B, S) = ‖x - x'‖² + W₂² of the classes; only the features get a gradient."""
    # Token means lie close together and far from 0, where expanding the square would lose digits.
    features_BS = torch.cdist(a.x, b.x, compute_mode="donot_use_mm_for_euclid_dist").square()
    return features_BS + classes_KL[a.y[:, None], b.y].to(features_BS.dtype)


def transport(cost_BS: Tensor, regularisation: float) -> Tensor:
    """min over plans P of ⟨P, cost⟩ + regularisation · KL(P ‖ uniform), with equal weights for all samples.

    The gradient at the optimum is P itself (envelope theorem), so nothing is backpropagated through Sinkhorn.
    """
    with torch.no_grad():
        rows, columns = (cost_BS.new_full((n,), 1 / n) for n in cost_BS.shape)
        plan_BS = _pot().bregman.sinkhorn_log(
            rows,
            columns,
            cost_BS,
            regularisation,
            numItermax=_TURNS,
            stopThr=_TOLERANCE * float(columns.norm()),
            warn=False,
        )
        divergence = torch.special.xlogy(plan_BS, plan_BS * cost_BS.numel()).sum()
    return (plan_BS * cost_BS).sum() + regularisation * divergence


def _pot() -> ModuleType:
    """Import POT, which most methods do without, and of its frameworks PyTorch alone.

    It starts every framework that is installed, and JAX takes three quarters of a GPU's memory when it starts.
    """
    for other in ("JAX", "CUPY", "TENSORFLOW"):
        os.environ.setdefault(f"POT_BACKEND_DISABLE_{other}", "1")
    import ot

    return ot


class DatasetDistance:
    """OTDD between changing target features and fixed source features, debiased as a Sinkhorn divergence.

    Its unit is the mean cost between source samples. The unit does not change with the target, so training cannot
    lower the distance by changing the unit. It also makes `regularisation` independent of the token width: 0.1 blurs
    the plan over a tenth of the mean cost between two source samples.
    """

    def __init__(self, source: Cloud, target: Cloud, regularisation: float) -> None:
        self._regularisation = regularisation
        self._source_classes = gaussians(source)
        self._within_source = wasserstein(self._source_classes, self._source_classes)
        self._unit = ground_cost(source, source, self._within_source).mean()
        self.follow(target)

    def follow(self, target: Cloud) -> None:
        """Recompute the target's class Gaussians from its current features; they stay fixed until the next call."""
        classes = gaussians(target)
        self._across = wasserstein(classes, self._source_classes)
        self._within_target = wasserstein(classes, classes)

    def loss(self, target: Cloud, source: Cloud) -> Tensor:
        """Return the distance without the term of the source alone, which is constant."""
        return self._cost(target, source, self._across) - self._cost(target, target, self._within_target) / 2

    @torch.no_grad()
    def value(self, target: Cloud, source: Cloud) -> float:
        """Return the distance between samples of both; it is 0 where they are alike."""
        return float(self.loss(target, source) - self._cost(source, source, self._within_source) / 2)

    def _cost(self, a: Cloud, b: Cloud, classes_KL: Tensor) -> Tensor:
        return transport(ground_cost(a, b, classes_KL) / self._unit, self._regularisation)

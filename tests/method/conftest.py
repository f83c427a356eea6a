"""Two small models, one of each modality, with their batches."""

from types import SimpleNamespace

import pytest
import torch

from pare import losses
from pare.config import Gate, Run
from pare.method import methods
from pare.method.cutmix import TokenCutMix
from pare.method.objective import Mixing

TARGETS = {
    "1d": SimpleNamespace(kind="classification", shape=(2, 120), output_shape=(4,)),
    "2d": SimpleNamespace(kind="dense", shape=(3, 29, 29), output_shape=(29, 29)),
}
SOURCES = {
    "1d": SimpleNamespace(kind="classification", shape=(1, 1000), output_shape=(6,)),
    "2d": SimpleNamespace(kind="classification", shape=(3, 64, 64), output_shape=(6,)),
}
BODIES = {"1d": "roberta-mini", "2d": "swin-mini"}
CRITERIA = {"1d": losses.cross_entropy, "2d": losses.relative_l2}


class Case:
    """A modality with all that a step needs."""

    def __init__(self, modality):
        self.modality = modality
        self.target, self.source = TARGETS[modality], SOURCES[modality]

    def objective(self, method="pare", seed=0, **changes):
        gate = changes.pop("gate", Gate())
        source_criterion = changes.pop("source_criterion", losses.cross_entropy)
        run = Run(
            task="t",
            data="",
            body=BODIES[self.modality],
            source="s",
            source_data="",
            patch=4,
            method=method,
            gate=gate,
            **changes,
        )
        torch.manual_seed(seed)
        return methods.build(run, self.target, CRITERIA[self.modality], {}, self.source, {}, source_criterion)

    def batch(self, size=4, seed=1):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(size, *self.target.shape, generator=generator)
        if self.target.kind == "dense":
            return x, torch.randn(size, *self.target.output_shape, generator=generator)
        return x, torch.randint(self.target.output_shape[0], (size,), generator=generator)

    def mixing(self, objective, k, size=4, noisy=False, seed=2):
        """The other side of a step: source samples, or for `cutmix` other ones of the target."""
        generator = torch.Generator().manual_seed(seed)
        if isinstance(objective, TokenCutMix):
            (x, y), shape = self.batch(size, seed), (objective.model.tokens,) * 2
        else:
            x = torch.randn(size, *self.source.shape, generator=generator)
            y = torch.randint(self.source.output_shape[0], (size,), generator=generator)
            shape = objective.model.tokens, objective.model.body.source_tokens(self.source.shape[1:])
        noise = tuple(torch.randn(size, n, generator=generator) for n in shape) if noisy else None
        return Mixing(x, y, torch.tensor(k), noise)


@pytest.fixture(params=["1d", "2d"])
def case(request):
    return Case(request.param)

"""PaRe and the baselines it is compared with, as data: what differs between them, behind one interface."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from pare.config import MethodName, Run
from pare.method import body as bodies
from pare.method.model import CrossModalModel, Interface
from pare.method.objective import Criterion, FineTuning, PatchReplacement


@dataclass(frozen=True)
class Method:
    """What sets a method apart. `mixes`: source patches replace target patches. `pretrained`: the body's weights are.
    `trains_body`: all of the body, or (False) its norms only.
    """

    title: str
    mixes: bool = False
    pretrained: bool = True
    trains_body: bool = True


METHODS: Mapping[MethodName, Method] = {
    "pare": Method("gradual patch replacement (PaRe)", mixes=True),
    "nft": Method("naive fine-tuning of everything"),
    "fpt": Method("frozen body: embedder, norms and head train", trains_body=False),
    "scratch": Method("the same architecture from random weights", pretrained=False),
}


def build(
    run: Run,
    target: Interface,
    criterion: Criterion,
    statistics: Mapping[str, np.ndarray],
    source: Interface,
    source_statistics: Mapping[str, np.ndarray],
) -> FineTuning:
    """The objective of a run, its model inside, with weights from the global random state of torch."""
    method = METHODS[run.method]
    body = bodies.load(run.body, pretrained=method.pretrained)
    model = CrossModalModel(target, body, run.patch, statistics)
    if not method.trains_body:
        body.encoder.requires_grad_(False)
        for part in body.modules():
            if isinstance(part, nn.LayerNorm):
                part.requires_grad_(True)
        body.own.requires_grad_(False)
    if method.mixes:
        return PatchReplacement(model, criterion, run.gate, run.mix_weight, source.outputs[0], source_statistics)
    return FineTuning(model, criterion)

"""PaRe and the baselines it is compared with, as data: what differs between them, behind one interface."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pare.config import MethodName, Run
from pare.errors import RequestError
from pare.method import body as bodies
from pare.method import tuning
from pare.method.criterion import cross_entropy
from pare.method.embedder import TextEmbedder
from pare.method.model import CrossModalModel, Interface
from pare.method.objective import Criterion, FineTuning, PatchReplacement


@dataclass(frozen=True)
class Method:
    """What sets a method apart. `mixes`: source patches replace target patches. `pretrained`: the body's weights are.
    `trains_body`: all of the body, or (False) its norms only. `aligns`: the embedder is aligned to the source first.
    """

    title: str
    mixes: bool = False
    pretrained: bool = True
    trains_body: bool = True
    aligns: bool = False


METHODS: Mapping[MethodName, Method] = {
    "pare": Method("gradual patch replacement (PaRe)", mixes=True),
    "nft": Method("naive fine-tuning of everything"),
    "fpt": Method("frozen body: embedder, norms and head train", trains_body=False),
    "orca": Method("features aligned to the source's, then naive fine-tuning (ORCA)", aligns=True),
    "scratch": Method("the same architecture from random weights", pretrained=False),
}


def build(
    run: Run,
    target: Interface,
    criterion: Criterion,
    statistics: Mapping[str, np.ndarray],
    source: Interface,
    source_statistics: Mapping[str, np.ndarray],
    source_criterion: Criterion = cross_entropy,
) -> FineTuning:
    """The objective of a run, its model inside, with weights from the global random state of torch.

    Raises:
        RequestError: body, target and source do not fit together.
    """
    method = METHODS[run.method]
    body = bodies.load(run.body, pretrained=method.pretrained, drop_path=run.tuning.drop_path)
    model = CrossModalModel(target, body, run.patch, statistics)
    if (method.mixes or method.aligns) and isinstance(body.own, TextEmbedder) != getattr(source, "text", False):
        raise RequestError(
            f"source is {run.source!r}: the body {run.body} was pretrained on "
            f"{'text' if isinstance(body.own, TextEmbedder) else 'images or signals'}; give a source of that kind"
        )
    tuning.restrict(body, run.tuning.body if method.trains_body else "norms", run.tuning.lora_rank)
    if method.mixes:
        return PatchReplacement(model, criterion, run.gate, run.mix_weight, source, source_criterion, source_statistics)
    return FineTuning(model, criterion)

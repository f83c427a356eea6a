"""PaRe and the baselines it is compared with, as data: what differs between them, behind one interface."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pare.config import MethodName, Run
from pare.errors import RequestError
from pare.losses import cross_entropy
from pare.method import body as bodies
from pare.method import tuning
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

    @property
    def adapts(self) -> bool:
        """Whether it fine-tunes the body of a pretrained model, of which it may train parts only."""
        return self.pretrained and self.trains_body


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
    if method.mixes or method.aligns:
        _check_source(run, body, source, source_statistics)
    tuning.restrict(body, run.tuning.body if method.trains_body else "norms", run.tuning.lora_rank)
    if method.mixes:
        return PatchReplacement(model, criterion, run.gate, run.mix_weight, source, source_criterion, source_statistics)
    return FineTuning(model, criterion)


def _check_source(run: Run, body: bodies.Body, source: Interface, statistics: Mapping[str, np.ndarray]) -> None:
    """The body's own embedder must be able to read the source, whose statistics tell the size of its `vocabulary`.

    Raises:
        RequestError: it reads something else.
    """
    own, text = body.source_embedder, getattr(source, "text", False)
    if isinstance(own, TextEmbedder):
        reads, fits = "text", text
    else:
        channels, dimensions = own.projection.in_channels, own.projection.weight.dim() - 1
        reads = f"{'images' if dimensions == 3 else 'signals'} of {channels} channel{'s' if channels > 1 else ''}"
        fits = not text and len(source.shape) == dimensions and source.shape[0] == channels
    if not fits:
        raise RequestError(
            f"source is {run.source!r}: the body {run.body} was pretrained on {reads}; give a source of that kind"
        )
    words = statistics.get("vocabulary")
    if words is not None and words != body.config.vocab_size:
        raise RequestError(
            f"source is {run.source!r}: its tokens are of a vocabulary of {words}, those of the body {run.body} of "
            f"{body.config.vocab_size}; prepare it with the tokenizer.json of that body"
        )
    body.source_tokens(source.shape[1:])

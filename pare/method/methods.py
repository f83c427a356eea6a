"""Build the objective of PaRe or of a baseline from its entry in the catalogue."""

from collections.abc import Mapping

import numpy as np

from pare.config import Run
from pare.errors import RequestError
from pare.losses import cross_entropy
from pare.method import body as bodies
from pare.method import tuning
from pare.method.catalogue import METHODS
from pare.method.cutmix import TokenCutMix
from pare.method.embedder import TextEmbedder
from pare.method.model import CrossModalModel, Interface
from pare.method.objective import Criterion, FineTuning, PatchReplacement


def build(
    run: Run,
    target: Interface,
    criterion: Criterion,
    statistics: Mapping[str, np.ndarray],
    source: Interface,
    source_statistics: Mapping[str, np.ndarray],
    source_criterion: Criterion = cross_entropy,
) -> FineTuning:
    """Build the objective of a run, including its model, with weights from torch's global random state.

    Raises:
        RequestError: body, target and source do not fit together.
    """
    method = METHODS[run.method]
    body = bodies.load(
        run.body,
        pretrained=method.pretrained,
        drop_path=run.tuning.drop_path,
        layers=run.num_hidden_layers,
        image_size=run.image_size,
        patch_size=run.patch_size,
    )
    model = CrossModalModel(target, body, run.patch, statistics, run.init)
    if not method.takes_embedder:
        model.embedder.randomise()
    if method.reads_source:
        _check_source(run, body, source, source_statistics)
    tuning.restrict(body, run.tuning.body if method.trains_body else "norms", run.tuning.lora_rank)
    if method.partner == "target":
        return TokenCutMix(model, criterion, run.mix_weight, dense=target.kind == "dense")
    if method.partner == "source":
        select = method.select or run.gate.select
        statistics = body.source_statistics(source_statistics)
        return PatchReplacement(model, criterion, run, select, source, source_criterion, statistics)
    return FineTuning(model, criterion)


def _check_source(run: Run, body: bodies.Body, source: Interface, statistics: Mapping[str, np.ndarray]) -> None:
    """Check that the body's own embedder can read the source, whose statistics give the size of its `vocabulary`.

    Raises:
        RequestError: the embedder reads something else.
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
    most = body.config.vocab_size if isinstance(own, TextEmbedder) else 0
    # A body may have more rows than its tokenizer has tokens, and only its size shows another tokenizer.
    if words is not None and (words > most or (words < most and "own_tokenizer" not in statistics)):
        raise RequestError(
            f"source is {run.source!r}: its tokens are of a vocabulary of {words}, those of the body {run.body} of "
            f"{body.config.vocab_size}; prepare it with the tokenizer.json of that body"
        )
    body.source_tokens(source.shape[1:])

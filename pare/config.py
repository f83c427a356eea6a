"""Configuration of a run: frozen, validated on construction, addressed by dotted names (`curriculum.start`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from pare.errors import RequestError

Family = Literal["linear", "cosine", "exponential", "step", "constant"]
MethodName = Literal["pare", "nft", "fpt", "orca", "scratch", "cutmix", "pare-random", "mona", "nft-random-embedder"]
Selector = Literal["gate", "random", "saliency"]
Side = Literal["target", "source"]
PositionOrder = Literal["before_norm", "after_norm"]
Stem = Literal["cycle", "sum"]
OptimizerName = Literal["adamw", "adam", "sgd"]
Precision = Literal["auto", "fp32", "bf16"]
Scope = Literal["all", "norms", "no_query_key", "lora"]


def _require(condition: bool, name: str, value: object, remedy: str) -> None:
    if not condition:
        raise RequestError(f"{name} is {value!r}: {remedy}")


def _require_choice(name: str, value: str, choices: Any) -> None:
    _require(value in get_args(choices), name, value, f"choose from {', '.join(get_args(choices))}")


@dataclass(frozen=True, kw_only=True)
class Curriculum:
    """ρ(p): the share of patches replaced at training progress p ∈ [0, 1]."""

    family: Family = "linear"
    start: float = 0.64
    """ρ at progress 0."""
    end: float = 0.16
    """ρ from progress `until` on."""
    until: float = 1.0
    plateaus: int = 4
    """Number of equal downward steps; `step` only."""
    counts: Side = "target"
    """Side of whose patches ρ is a share: k = round(ρ·N), or round(ρ·N_s), so that whole source samples can enter."""

    def __post_init__(self) -> None:
        _require_choice("curriculum.family", self.family, Family)
        _require_choice("curriculum.counts", self.counts, Side)
        _require(0 <= self.end <= self.start <= 1, "curriculum", (self.start, self.end), "need 0 ≤ end ≤ start ≤ 1")
        _require(0 < self.until <= 1, "curriculum.until", self.until, "give a progress in (0, 1]")
        _require(self.plateaus >= 2, "curriculum.plateaus", self.plateaus, "give 2 or more")


@dataclass(frozen=True, kw_only=True)
class Gate:
    """How patches are chosen."""

    select: Selector = "gate"
    """Selector: the gate's scores; random; or saliency, the first-order effect of each target patch on the loss."""
    threshold: float = 0.0
    """τ: a source patch enters only if its score is at least this; 0 is the paper's rule."""
    temperature: float = 0.1
    """Temperature of the relaxed inclusion that carries the gradient."""
    noise: float = 0.1
    """Scale of the Gumbel noise; the scores lie in (0, 1), so scale 1 drowns them."""
    noise_until: float = 1 / 6
    """Progress at which the noisy phase ends."""
    hidden: int = 0
    """Units of a hidden layer; 0 is the paper's single linear map."""

    def __post_init__(self) -> None:
        _require_choice("gate.select", self.select, Selector)
        _require(self.hidden >= 0, "gate.hidden", self.hidden, "give 0 or more")
        _require(0 <= self.threshold < 1, "gate.threshold", self.threshold, "give a score in [0, 1)")
        _require(self.temperature > 0, "gate.temperature", self.temperature, "give a positive number")
        _require(self.noise >= 0, "gate.noise", self.noise, "give 0 or more")
        _require(0 <= self.noise_until <= 1, "gate.noise_until", self.noise_until, "give a progress in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class LearningRates:
    """Peak learning rate of each parameter group."""

    embedder: float = 1e-4
    body: float = 1e-4
    gate: float = 1e-4
    heads: float = 1e-4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            _require(value > 0, f"optimizer.lr.{name}", value, "give a positive learning rate")


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """The update rule, its schedule and the batch it sees."""

    name: OptimizerName = "adamw"
    lr: LearningRates = field(default_factory=LearningRates)
    weight_decay: float = 0.01
    momentum: float = 0.9
    """`sgd` only; Adam's betas are (0.9, 0.98), as released."""
    batch: int = 32
    """Samples per update, over all workers and accumulated parts."""
    accumulate: int = 1
    """Number of parts in which a worker computes its share of the batch; the gradient is their mean."""
    clip: float = 0.0
    """Largest global gradient norm; 0 clips nothing."""
    warmup: float = 0.08
    """Progress over which the rate rises linearly."""
    decay_positions: bool = True
    """Whether weight decay applies to tables of positions."""
    decay_until: float = 1.0
    """Progress at which the linear decay would reach 0; above 1 the run ends before it does."""

    def __post_init__(self) -> None:
        _require_choice("optimizer.name", self.name, OptimizerName)
        _require(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "give 0 or more")
        _require(0 <= self.momentum < 1, "optimizer.momentum", self.momentum, "give a number in [0, 1)")
        _require(self.batch >= 1, "optimizer.batch", self.batch, "give 1 or more")
        _require(self.accumulate >= 1, "optimizer.accumulate", self.accumulate, "give 1 or more")
        _require(self.clip >= 0, "optimizer.clip", self.clip, "give 0 (no clipping) or more")
        _require(0 <= self.warmup < 1, "optimizer.warmup", self.warmup, "give a progress in [0, 1)")
        _require(self.decay_until > self.warmup, "optimizer.decay_until", self.decay_until, "give more than warmup")


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Which of the body's parameters train, and how."""

    body: Scope = "all"
    """All; only norms; all but the query and key projections (the released Darcy run); or low-rank adapters (LoRA)."""
    lora_rank: int = 8
    layer_decay: float = 1.0
    """Ratio of each block's learning rate to that of the block above it; 1 gives all the same rate."""
    drop_path: float = 0.0
    """Largest probability of skipping a block (stochastic depth); images only."""

    def __post_init__(self) -> None:
        _require_choice("tuning.body", self.body, Scope)
        _require(self.lora_rank >= 1, "tuning.lora_rank", self.lora_rank, "give 1 or more")
        _require(0 < self.layer_decay <= 1, "tuning.layer_decay", self.layer_decay, "give a factor in (0, 1]")
        _require(0 <= self.drop_path < 1, "tuning.drop_path", self.drop_path, "give a rate in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """ORCA's stage before fine-tuning: only the embedder trains, on the dataset distance to the source."""

    steps: int = 100
    lr: float = 1e-3
    batch: int = 128
    """Target samples per step."""
    samples: int = 2000
    """Largest number of samples of each side."""
    regularisation: float = 0.1
    """Weight of the transport plan's entropy, in units of the mean cost between source samples."""
    refresh: int = 25
    """Number of steps between updates of the target's classes from its features."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "samples", "refresh"):
            _require(getattr(self, name) >= 1, f"alignment.{name}", getattr(self, name), "give 1 or more")
        _require(self.lr > 0, "alignment.lr", self.lr, "give a positive learning rate")
        _require(self.regularisation > 0, "alignment.regularisation", self.regularisation, "give a positive number")


@dataclass(frozen=True, kw_only=True)
class Initialisation:
    """Initialisation of new parameters and of the target embedder from the body's own."""

    stem: Stem = "cycle"
    """Filters of a target of fewer channels than the source's: repeated cyclically, or their `sum` (one channel)."""
    positions: PositionOrder = "before_norm"
    """Where a sequence's positions are added: before LayerNorm as BERT-like bodies do, or after it as released."""
    heads: float = 1.0
    """Scale of the predictors' last layer, in units of Xavier's; 0 starts from uniform predictions."""
    gate: float = 1.0
    """Scale of the gate's weights, in units of Xavier's; 0 starts from equal scores, so that noise alone selects."""

    def __post_init__(self) -> None:
        _require_choice("init.stem", self.stem, Stem)
        _require_choice("init.positions", self.positions, PositionOrder)
        _require(self.heads >= 0, "init.heads", self.heads, "give 0 or more")
        _require(self.gate >= 0, "init.gate", self.gate, "give 0 or more")


@dataclass(frozen=True, kw_only=True)
class SourceHead:
    """The fit of the source predictor alone, on features of whole source samples, before the first step."""

    steps: int = 0
    """Number of steps; 0 fits nothing."""
    lr: float = 1e-2
    batch: int = 128

    def __post_init__(self) -> None:
        _require(self.steps >= 0, "source_head.steps", self.steps, "give 0 (no fit) or more")
        _require(self.lr > 0, "source_head.lr", self.lr, "give a positive learning rate")
        _require(self.batch >= 1, "source_head.batch", self.batch, "give 1 or more")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One reproducible trial: task, data, method, body, and every tunable number."""

    task: str
    data: str
    """Key of the prepared data below the data root."""
    body: str
    source: str
    """Proxy task that source patches come from."""
    source_data: str
    """Key of the prepared source data below the data root."""
    method: MethodName = "pare"
    epochs: int = 10
    seed: int = 0
    patch: int = 1
    """Samples per token of a sequence (1D)."""
    num_hidden_layers: int = 0
    """Number of the body's layers that are kept, from the first; 0 keeps all."""
    image_size: int = 0
    """Side in pixels that images are resized to, a multiple of the patch; 0 is the body's own."""
    patch_size: int = 0
    """Side in pixels of an image's patches, for which the filters are resampled; 0 is the body's own."""
    mix_weight: float = 1.0
    """w: weight of the mixed pass in the objective."""
    mix_share: float = 1.0
    """Share of a batch that the mixed pass sees: an update costs about 1 + share times one of `nft`."""
    precision: Precision = "auto"
    """Precision: auto is bf16 on a GPU that has it and fp32 elsewhere; on most CPUs bf16 is ten times slower."""
    compile: bool = False
    compile_long: bool = True
    """Whether to compile the blocks of deep stages: always, or in runs on a GPU that are long enough to gain by it."""
    curriculum: Curriculum = field(default_factory=Curriculum)
    gate: Gate = field(default_factory=Gate)
    alignment: Alignment = field(default_factory=Alignment)
    init: Initialisation = field(default_factory=Initialisation)
    source_head: SourceHead = field(default_factory=SourceHead)
    tuning: Tuning = field(default_factory=Tuning)
    optimizer: Optimizer = field(default_factory=Optimizer)

    def __post_init__(self) -> None:
        _require_choice("method", self.method, MethodName)
        _require_choice("precision", self.precision, Precision)
        _require(self.epochs >= 1, "epochs", self.epochs, "give 1 or more")
        _require(self.patch >= 1, "patch", self.patch, "give 1 or more")
        for name in ("num_hidden_layers", "image_size", "patch_size"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "give 0 (the body's own) or more")
        _require(self.mix_weight >= 0, "mix_weight", self.mix_weight, "give 0 or more")
        _require(0 < self.mix_share <= 1, "mix_share", self.mix_share, "give a share in (0, 1]")

    def replace(self, values: Mapping[str, Any]) -> Run:
        """Return this run with some values changed, by dotted name.

        Raises:
            RequestError: a run has no such name, or it cannot take the value.
        """
        return _replace(self, values, "")

    def flat(self) -> dict[str, Any]:
        """Return every value by its dotted name."""
        return _flat(self, "")

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> Run:
        """Build the run whose `flat()` is `values`; missing values take their defaults."""
        top = {name: values[name] for name in _fields(cls) if name in values}
        return cls(**top).replace({name: value for name, value in values.items() if name not in top})


def _fields(config: Any) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(config))


def _flat(config: Any, prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name in _fields(config):
        value = getattr(config, name)
        flat |= _flat(value, f"{prefix}{name}.") if dataclasses.is_dataclass(value) else {prefix + name: value}
    return flat


def _replace(config: Any, values: Mapping[str, Any], prefix: str) -> Any:
    own: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        head, _, rest = name.partition(".")
        if head not in _fields(config) or (rest and not dataclasses.is_dataclass(getattr(config, head))):
            raise RequestError(f"unknown setting {prefix + name!r}: a run has {', '.join(_flat(config, prefix))}")
        if rest:
            nested.setdefault(head, {})[rest] = value
        else:
            own[head] = value
    for head, inner in nested.items():
        own[head] = _replace(getattr(config, head), inner, f"{prefix}{head}.")
    kinds = get_type_hints(type(config))
    floats = {name: float(value) for name, value in own.items() if kinds[name] is float and isinstance(value, int)}
    return dataclasses.replace(config, **(own | floats))

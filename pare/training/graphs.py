"""Passes as CUDA graphs: recorded once for each kind of part, then replayed without kernel launches from the host.

A part's shapes never change, and k is data, so a run has three kinds of part: noisy, not noisy, and without a mixed
pass. The first part of a kind runs eagerly, as the warm-up that recording needs; the second is recorded. When a run
moves to the next kind, the graphs of the previous kind and their memory are freed.

Random numbers in a graph (drop path) come from torch's generator, which every replay reads: seeding it before each
update gives the same numbers as eager computation. A resumed run computes the first part of a kind eagerly where an
uninterrupted one replays it. Both use the same kernels, so they differ only in what the device does not reproduce (sums
by atomic additions).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pare.config import Precision, Run
from pare.method.catalogue import METHODS
from pare.method.objective import FineTuning, Losses
from pare.training.distributed import DistributedContext
from pare.training.passes import EagerPasses, Inputs, Passes, Sums, autocast, sums, working_type

_log = logging.getLogger(__name__)

Result = tuple[Sums, Sequence[Tensor | None]]
"""Figures of a part, and the gradient of each parameter that trains, None if the part does not depend on it."""

Computed = TypeVar("Computed")
"""What a recorded function returns: tensors, which each replay overwrites."""


class Recorder(Protocol):
    """Recorder of functions of static inputs; each kind of part gets a new one.

    `record` returns a function that computes again from the static inputs, and the tensors that it overwrites.
    """

    def warm_up(self, compute: Callable[[], Computed]) -> Computed: ...
    def record(self, compute: Callable[[], Computed]) -> tuple[Callable[[], None], Computed]: ...


class CudaRecorder:
    """Records on its own stream; the graphs of one recorder share a memory pool."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()
        self._pool: Any = None

    def warm_up(self, compute: Callable[[], Computed]) -> Computed:
        """Compute once, without recording, on the stream used for recording."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            result = compute()
        torch.cuda.current_stream().wait_stream(self._stream)
        return result

    def record(self, compute: Callable[[], Computed]) -> tuple[Callable[[], None], Computed]:
        graph = torch.cuda.CUDAGraph()
        # Other threads load data meanwhile; thread_local keeps their CUDA calls out of the capture.
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            result = compute()
        self._pool = graph.pool()
        return graph.replay, result


@dataclass(frozen=True)
class _Graph:
    """A recorded part: its inputs, overwritten before each replay, and its result."""

    inputs: Inputs
    replay: Callable[[], None]
    result: Result

    def compute(self, inputs: Inputs) -> Result:
        for static, fresh in zip(self.inputs, inputs, strict=True):
            if static is not None and fresh is not None:
                static.copy_(fresh, non_blocking=True)
        self.replay()
        return self.result


def passes(objective: FineTuning, run: Run, world: DistributedContext, batch: int) -> Passes:
    """Build the passes of a run with `batch` samples per update: graphs on one GPU, otherwise eager."""
    # A step without replacement leaves the gate and the source head without a gradient.
    may_rest = run.curriculum.end == 0 or run.mix_share < 1
    module = world.wrap(objective, some_unused=METHODS[run.method].mixes and may_rest)
    # Summing over parts and averaging over workers gives the mean over the batch.
    scale = world.size / batch
    eager = EagerPasses(module, objective.model.tokens, scale, run.precision, world)
    if world.device.type != "cuda":
        return eager
    if world.size > 1:
        _log.warning("steps of a worker group go on without CUDA graphs: they exchange gradients while they compute")
        return eager
    return GraphPasses(objective, objective.model.tokens, scale, run.precision, eager)


class GraphPasses:
    """Passes that are recorded and replayed. If recording fails, they warn once and continue eagerly."""

    def __init__(
        self,
        objective: FineTuning,
        tokens: int,
        scale: float,
        precision: Precision,
        eager: EagerPasses,
        recorder: Callable[[], Recorder] = CudaRecorder,
    ) -> None:
        self._objective, self._tokens, self._scale, self._precision = objective, tokens, scale, precision
        self._trained = {name: p for name, p in objective.named_parameters() if p.requires_grad}
        device = next(objective.parameters()).device
        half = objective.model.body.half_norms()
        self._weights = WorkingWeights(objective, working_type(precision, device), half)
        self._eager, self._make, self._failed = eager, recorder, False
        self._kind: tuple[bool, ...] | None = None
        self._recorder: Recorder | None = None
        self._graphs: dict[tuple[torch.Size, ...], _Graph | None] = {}

    def __call__(self, inputs: Inputs, last: bool) -> Sums:
        if self._failed:
            return self._eager(inputs, last)
        kind = tuple(tensor is not None for tensor in inputs)
        if kind != self._kind or self._recorder is None:
            self._graphs.clear()
            self._kind, self._recorder = kind, self._make()
        shapes = tuple(tensor.shape for tensor in inputs if tensor is not None)
        if shapes not in self._graphs:
            self._graphs[shapes] = None
            found, gradients = self._recorder.warm_up(lambda: self._compute(inputs))
        elif graph := self._graphs[shapes] or self._record(self._recorder, shapes, inputs):
            found, gradients = graph.compute(inputs)
        else:
            return self._eager(inputs, last)
        self._deliver(gradients, last)
        return found

    def _record(self, recorder: Recorder, shapes: tuple[torch.Size, ...], inputs: Inputs) -> _Graph | None:
        static = Inputs._make(None if tensor is None else tensor.clone() for tensor in inputs)
        try:
            graph = _Graph(static, *recorder.record(lambda: self._compute(static)))
        except RuntimeError as error:
            _log.warning("steps go on without CUDA graphs, which could not be recorded: %s", str(error).splitlines()[0])
            self._failed = True
            self._graphs.clear()
            return None
        self._graphs[shapes] = graph
        return graph

    def _compute(self, inputs: Inputs) -> Result:
        with autocast(self._precision, inputs.x.device):
            self._weights.refresh()
            losses: Losses = functional_call(self._objective, self._weights.copies, (inputs.x, inputs.y, inputs.mixing))
        leaves = [self._weights.copies.get(name, parameter) for name, parameter in self._trained.items()]
        gradients = torch.autograd.grad(losses.total.sum() * self._scale, leaves, allow_unused=True)
        return sums(losses, inputs.k, self._tokens), _fitted(gradients, list(self._trained.values()))

    def _deliver(self, gradients: Sequence[Tensor | None], last: bool) -> None:
        """Add a part's gradients to those of the parameters; copy tensors that the next part overwrites."""
        so_far: list[Tensor] = []
        more: list[Tensor] = []
        for parameter, gradient in zip(self._trained.values(), gradients, strict=True):
            if gradient is not None and parameter.grad is not None:
                so_far.append(parameter.grad)
                more.append(gradient)
            elif gradient is not None:
                parameter.grad = gradient if last else gradient.clone()
        if so_far:
            torch._foreach_add_(so_far, more)


class RecordedForward:
    """A model's predictions of one batch after another, of which those of the first batch's shape are recorded.

    Results are valid until the next call. If recording fails, it warns once and goes on eagerly.
    """

    def __init__(self, model: nn.Module, recorder: Callable[[], Recorder] = CudaRecorder) -> None:
        self._model, self._recorder = model, recorder()
        self._shape: torch.Size | None = None
        self._static: Tensor | None = None
        self._failed = False

    def __call__(self, x: Tensor) -> Tensor:
        if self._shape is None:
            self._shape = x.shape
            return self._recorder.warm_up(lambda: self._model(x))
        if self._failed or x.shape != self._shape:  # the last batch is smaller
            return self._model(x)
        if self._static is None and not self._record(x.clone()):
            return self._model(x)
        assert self._static is not None  # noqa: S101 - for the type checker
        self._static.copy_(x, non_blocking=True)
        self._replay()
        return self._result

    def _record(self, static: Tensor) -> bool:
        try:
            self._replay, self._result = self._recorder.record(lambda: self._model(static))
        except torch.OutOfMemoryError:
            raise  # a smaller batch may fit
        except RuntimeError as error:
            why = str(error).splitlines()[0]
            _log.warning("predictions go on without CUDA graphs, which could not be recorded: %s", why)
            self._failed = True
            return False
        self._static = static
        return True


class WorkingWeights:
    """The weights of linear and convolution layers, and of the norms in `half`, in the type in which they are used.

    One kernel casts a few hundred weights; autocast would launch one per weight and one per gradient. The parameters
    themselves stay in fp32 for the optimiser. Without autocast `copies` is empty.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype | None, half: Sequence[nn.Module] = ()) -> None:
        multiplied = {part for part in module.modules() if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d)}
        own = {
            f"{path}.{name}" if path else name: parameter
            for path, part in module.named_modules()
            if dtype is not None and part in multiplied.union(half)
            for name, parameter in part.named_parameters(recurse=False)
        }
        self.copies = {
            name: parameter.detach().to(dtype).requires_grad_(parameter.requires_grad)
            for name, parameter in own.items()
        }
        """Cast weights by their names in the module."""
        moving = [name for name, parameter in own.items() if parameter.requires_grad]
        self._to = [self.copies[name] for name in moving]
        self._of: list[Tensor] = [own[name] for name in moving]

    @torch.no_grad()
    def refresh(self) -> None:
        """Cast the parameters again after an update."""
        if self._to:
            torch._foreach_copy_(self._to, self._of)


def _fitted(gradients: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> list[Tensor | None]:
    """Convert each gradient to its parameter's type and memory layout, as fused optimisers require."""
    found = list(gradients)

    def fits(gradient: Tensor, parameter: Tensor) -> bool:
        return gradient.dtype == parameter.dtype and gradient.stride() == parameter.stride()

    # With one gradient of another type or layout in a list, PyTorch's fused copy launches a kernel for each gradient.
    alike: dict[tuple[torch.dtype, bool], list[int]] = defaultdict(list)
    for i, (gradient, parameter) in enumerate(zip(gradients, parameters, strict=True)):
        if gradient is not None and not fits(gradient, parameter):
            alike[gradient.dtype, gradient.stride() == parameter.stride()].append(i)
    for places in alike.values():
        fitting = [torch.empty_like(parameters[i]) for i in places]
        torch._foreach_copy_(fitting, [g for i in places if (g := gradients[i]) is not None])
        for i, gradient in zip(places, fitting, strict=True):
            found[i] = gradient
    return found

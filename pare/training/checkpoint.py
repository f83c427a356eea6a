"""Checkpoints: one safetensors file per epoch, with weights and optimiser state, renamed into place when complete.

A checkpoint within an epoch also has the sums of its figures. Nothing else needs saving: the order of samples, the
noise and the curriculum are functions of seed, epoch and step.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pare import files
from pare.bucket import Folder
from pare.errors import is_disk_full

_NAMES = "epoch-*.safetensors"

_MODEL = "model."

KEPT = 2
"""Number of checkpoints kept: the newest, and the one before in case the newest is damaged."""

_DAMAGED = (SafetensorError, OSError, KeyError, TypeError, ValueError)
"""Exceptions that reading a damaged file raises."""


def save_atomically(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a safetensors file under a temporary name, then rename it: `path` holds a whole file or the old one.

    Raises:
        OSError: it cannot be written; names the file.
    """
    try:
        with files.atomic(path) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, dict(metadata))
    except SafetensorError as error:
        code = errno.ENOSPC if is_disk_full(error) else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from error


class Best(NamedTuple):
    """The best epoch of a run by validation, and its metric."""

    epoch: int
    metric: float


@dataclass(frozen=True)
class TrainingState:
    """Progress of a run: `epoch` whole epochs, and `step` updates of the next."""

    epoch: int = 0
    best: Best | None = None
    report: Mapping[str, float] = field(default_factory=dict)
    """Figures of the last whole epoch; before the first epoch, those of the alignment."""
    seconds: float = 0.0
    """Seconds that the run has taken so far."""
    step: int = 0
    watched: Mapping[str, Tensor] = field(default_factory=dict)
    """Sums of the figures over those `step` updates."""


class Snapshot(NamedTuple):
    """Content of a checkpoint: a whole run or, if its metadata has no epoch, only a model's weights."""

    epoch: int
    step: int
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]

    @property
    def model(self) -> dict[str, Tensor]:
        """Weights by their names in the model."""
        return _under(_MODEL, self.tensors)


Copy = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
"""Function that copies tensors to memory that later updates do not change."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, in a folder of their own."""

    folder: Path
    remote: Folder | None = None
    """Bucket folder with a second copy, from which another node can resume; it may be unreachable for a while."""

    def save(self, progress: TrainingState, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Take a snapshot of a run and write it."""
        self.write(self.snapshot(progress, module, optimizer))

    def snapshot(
        self,
        progress: TrainingState,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        copied: Copy = dict,
    ) -> Snapshot:
        """Return all that a run needs to resume, with tensors copied by `copied`."""
        tensors = {f"{_MODEL}{name}": tensor for name, tensor in module.state_dict().items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if value is not None}
        tensors |= {f"watched.{name}": total for name, total in progress.watched.items()}
        facts = {name: getattr(progress, name) for name in ("epoch", "best", "seconds", "step")} | {
            "report": dict(progress.report)
        }
        metadata = {name: json.dumps(fact) for name, fact in facts.items()}
        return Snapshot(progress.epoch, progress.step, copied(tensors), metadata)

    def weights(self, progress: TrainingState, module: nn.Module, copied: Copy = dict) -> Snapshot:
        """Return only the weights, those of a best epoch that a later checkpoint refers to."""
        tensors = {f"{_MODEL}{name}": tensor for name, tensor in module.state_dict().items()}
        return Snapshot(progress.epoch, 0, copied(tensors), {"best": json.dumps(progress.best)})

    def write(self, snapshot: Snapshot) -> None:
        """Write a snapshot; delete older checkpoints except the previous one and the best.

        The best of the previous checkpoint is also kept, because that checkpoint is useless without it.

        Raises:
            OSError: it cannot be written; names the file.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        newest = self._path(snapshot.epoch, snapshot.step)
        save_atomically(snapshot.tensors, newest, snapshot.metadata)
        if "epoch" not in snapshot.metadata:
            return  # the checkpoint that refers to it follows, and deletes and uploads
        kept = [path for path in self._found() if _goes_on(path)][-KEPT:]
        for path in list(kept):
            with contextlib.suppress(*_DAMAGED), safe_open(path, framework="pt") as file:
                if best := _best(file.metadata()):
                    kept.append(self._path(best.epoch))
        for path in self._found():
            if path not in kept:
                path.unlink(missing_ok=True)
        if self.remote is not None:
            with contextlib.suppress(OSError):
                self._push(self.remote, newest.name)

    def restore(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> TrainingState:
        """Load the newest intact checkpoint in place; return the progress of the run.

        A checkpoint is deleted, and the previous one used, if it or the file of its best epoch is damaged (the disk was
        full, the machine died).
        """
        if self.remote is not None:
            with contextlib.suppress(OSError):
                self._pull(self.remote)
        for path in reversed(self._found()):
            try:
                tensors, metadata = _read(path)
                if "epoch" not in metadata:
                    continue  # only the weights of a best epoch
                facts = {name: json.loads(fact) for name, fact in metadata.items()} | {"best": _best(metadata)}
                progress = TrainingState(**facts, watched=_under("watched.", tensors))
                if progress.best:
                    with safe_open(self._path(progress.best.epoch), framework="pt"):
                        pass  # opening it shows that it is intact
            except _DAMAGED:
                path.unlink(missing_ok=True)
            else:
                module.load_state_dict(_under(_MODEL, tensors))
                state: dict[int, dict[str, Tensor]] = {}
                for name, tensor in _under("optimizer.", tensors).items():
                    index, _, part = name.partition(".")
                    state.setdefault(int(index), {})[part] = tensor
                optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
                return progress
        return TrainingState()

    def load_model(self, epoch: int, module: nn.Module) -> None:
        """Load only the weights, as they were after `epoch` epochs."""
        tensors, _ = _read(self._path(epoch))
        module.load_state_dict(_under(_MODEL, tensors))

    def _push(self, remote: Folder, newest: str) -> None:
        """Make the bucket folder equal to the local one."""
        here, there = {path.name for path in self._found()}, remote.files().keys()
        for name in sorted(here - there | {newest}):
            remote.push(self.folder / name, name)
        remote.delete(name for name in there - here if fnmatch(name, _NAMES))

    def _pull(self, remote: Folder) -> None:
        """Download the checkpoints that are in the bucket but not here."""
        here = {path.name for path in self._found()}
        for name in remote.files():
            if fnmatch(name, _NAMES) and name not in here:
                remote.pull(name, self.folder / name)

    def _path(self, epoch: int, step: int = 0) -> Path:
        within = f"-step-{step:08d}" if step else ""
        return self.folder / f"epoch-{epoch:05d}{within}.safetensors"

    def _found(self) -> list[Path]:
        """List checkpoints from old to new."""
        return sorted(self.folder.glob(_NAMES), key=lambda path: path.stem)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 - not a mapping


def _goes_on(path: Path) -> bool:
    """Whether a run can resume from a checkpoint, judged by its metadata; a damaged file counts."""
    with contextlib.suppress(*_DAMAGED), safe_open(path, framework="pt") as file:
        return "epoch" in file.metadata()
    return True


def _best(metadata: Mapping[str, str]) -> Best | None:
    best = json.loads(metadata["best"])
    return Best(*best) if best else None


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

"""Checkpoints: one safetensors file per epoch, weights and optimiser state together, renamed into place when whole.

Nothing else needs keeping: the order of samples, the noise and the curriculum are functions of seed and epoch.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pare.errors import is_disk_full

KEPT = 2
"""The newest, and the one before in case the newest is damaged."""

_DAMAGED = (SafetensorError, OSError, KeyError, TypeError, ValueError)
"""What reading a damaged file raises."""


def save_atomically(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a safetensors file under a temporary name, then rename it: `path` holds a whole file or the old one.

    Raises:
        OSError: it cannot be written; names the file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, dict(metadata))
        temporary.replace(path)
    except SafetensorError as error:
        code = errno.ENOSPC if is_disk_full(error) else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


class Best(NamedTuple):
    """The best epoch of a run by validation, and its metric."""

    epoch: int
    metric: float


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, in a folder of their own."""

    folder: Path

    def save(
        self, epoch: int, module: nn.Module, optimizer: torch.optim.Optimizer, best: Best, report: Mapping[str, float]
    ) -> None:
        """Keep the state after `epoch` epochs and their last report; of older ones the one before and the best stay.

        The best of the one before stays too, as that one would be of no use without it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"model.{name}": tensor for name, tensor in module.state_dict().items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if value is not None}
        save_atomically(tensors, self._path(epoch), {"best": json.dumps(best), "report": json.dumps(dict(report))})
        kept = self._found()[-KEPT:]
        for path in list(kept):
            with contextlib.suppress(*_DAMAGED), safe_open(path, framework="pt") as file:
                kept.append(self._path(_best(file.metadata()).epoch))
        for path in self._found():
            if path not in kept:
                path.unlink(missing_ok=True)

    def restore(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Best, dict[str, float]] | None:
        """Load the newest whole checkpoint in place; returns the best so far and the last report, None without one.

        One that is damaged (the disk was full, the machine died), or whose best epoch's is, goes, and the one before
        serves.
        """
        for path in reversed(self._found()):
            try:
                tensors, metadata = _read(path)
                best = _best(metadata)
                with safe_open(self._path(best.epoch), framework="pt"):
                    pass  # this suffices to find it whole
            except _DAMAGED:
                path.unlink(missing_ok=True)
            else:
                module.load_state_dict(_under("model.", tensors))
                state: dict[int, dict[str, Tensor]] = {}
                for name, tensor in _under("optimizer.", tensors).items():
                    index, _, part = name.partition(".")
                    state.setdefault(int(index), {})[part] = tensor
                optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
                return best, json.loads(metadata["report"])
        return None

    def load_model(self, epoch: int, module: nn.Module) -> None:
        """Load the weights alone, as they were after `epoch` epochs."""
        tensors, _ = _read(self._path(epoch))
        module.load_state_dict(_under("model.", tensors))

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:05d}.safetensors"

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob("epoch-*.safetensors"))


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 - not a mapping


def _best(metadata: Mapping[str, str]) -> Best:
    return Best(*json.loads(metadata["best"]))


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

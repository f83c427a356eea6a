"""The exported model: a Hugging Face folder that includes the task's preprocessing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin, snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pare import tasks
from pare.config import Run
from pare.data.task import Task
from pare.errors import DataError
from pare.layout import RUN
from pare.method import body as bodies
from pare.method.model import CrossModalModel
from pare.reporting.card import card
from pare.tasks.own.task import OwnTask, Specification

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
_STATISTICS = ("input_mean", "input_std", "output_mean", "output_std")


class TrainedModel(
    nn.Module, PyTorchModelHubMixin, library_name="pare", tags=["pare", "cross-modal-fine-tuning"]
):  # a Hugging Face model: `from_pretrained`, `save_pretrained`, `push_to_hub`
    """A `CrossModalModel` with its task: raw samples in, probabilities, fields or numbers out.

    `run` is `Run.flat()`, `body` the Hugging Face configuration of the body, `statistics` the shapes of `input_mean`,
    `input_std`, `output_mean` and `output_std`, `own` the specification of a task of the user's data.

    Raises:
        RequestError: this version does not know the run's task, its settings or the body.
    """

    def __init__(
        self,
        run: dict[str, Any],
        body: dict[str, Any],
        statistics: dict[str, list[int]],
        own: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.run = Run.from_flat(run)
        self.task = OwnTask(Specification.of(own)) if own else tasks.get(self.run.task)
        shapes = {name: np.zeros(statistics[name], dtype=np.float32) for name in _STATISTICS}
        self.model = CrossModalModel(self.task, bodies.from_config(body), self.run.patch, shapes, self.run.init)
        self.card: ModelCard | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Encoded inputs (B, *task.shape) → logits or fields (B, *task.output_shape)."""
        return self.model(x)

    @torch.inference_mode()
    def predict(self, raw: np.ndarray, batch: int = 64) -> np.ndarray:
        """Raw samples → class probabilities (n, classes), or fields (n, *task.output_shape) or numbers (n, targets)
        in the task's units; float32.

        Raises:
            RequestError: the array cannot be a batch of the task's samples.
        """
        activation = {"classification": nn.Softmax(-1), "multilabel": nn.Sigmoid()}.get(self.task.kind, nn.Identity())
        inputs = torch.from_numpy(self.task.encode(raw))
        device = self.model.input_mean.device
        training = self.training
        self.eval()
        parts = [
            activation(self(inputs[start : start + batch].to(device))).cpu() for start in range(0, len(inputs), batch)
        ]
        self.train(training)
        return torch.cat(parts).numpy() if parts else np.empty((0, *self.task.output_shape), dtype=np.float32)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """Return the card that the model was saved with, so that a copy keeps what it says of the data."""
        return self.card or super().generate_model_card(*args, **kwargs)

    def _save_pretrained(self, save_directory: Path) -> None:
        _save_weights(self.model, save_directory / WEIGHTS)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> Self:
        """Load from a local folder or the hub; unlike the mixin's own, strict, silent, and never from a pickle."""
        hub = {
            name: options.pop(name) for name in ("revision", "cache_dir", "force_download", "local_files_only", "token")
        }
        folder = Path(model_id)
        if not folder.is_dir():
            folder = Path(snapshot_download(model_id, allow_patterns=[CONFIG, WEIGHTS, CARD], **hub))
        device = options.pop("map_location", "cpu")
        model = cls(**options)
        model.model.load_state_dict(load_file(folder / WEIGHTS))
        if (folder / CARD).is_file():
            model.card = ModelCard.load(folder / CARD)
        return model.to(device).eval()


def save(model: CrossModalModel, task: Task, run: Run, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write a model trained on a task to `folder`, whole or not at all, in place of an older one.

    `facts`, JSON-able, go into `run.json` and the card: `provenance` of the data must be there; `validation`, `test`,
    `spread`, `seeds` and `gpu_hours` are optional.
    """
    config = {
        "run": run.flat(),
        # The configuration's own JSON can serialise values such as a dtype.
        "body": json.loads(model.body.config.to_json_string(use_diff=False)),
        "statistics": {name: list(getattr(model, name).shape) for name in _STATISTICS},
    }
    if isinstance(task, OwnTask):
        config["own"] = asdict(task.specification)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{kind}") for kind in ("tmp", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        (partial / CONFIG).write_text(_json(config), encoding="utf-8")
        (partial / RUN).write_text(_json({"run": run.flat(), "facts": dict(facts)}), encoding="utf-8")
        card(task, run, facts).save(partial / CARD)
        _save_weights(model, partial / WEIGHTS)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)


def load(path: Path | str) -> TrainedModel:
    """Load the model saved in the folder `path`, ready to predict.

    Raises:
        DataError: the folder or a file in it is missing or damaged; the message names it.
    """
    path = Path(path)
    for file in (path, path / CONFIG, path / WEIGHTS):
        if not file.exists():
            raise DataError(f"{file} does not exist: give the folder of a saved model, such as OUT/<task>/best")
    try:
        return TrainedModel.from_pretrained(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"{path} is damaged or of another version ({type(error).__name__}: {reason})") from error


def _save_weights(model: nn.Module, path: Path) -> None:
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, path)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"

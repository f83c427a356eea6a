"""The model that remains after training: target embedder, body and predictor of one task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from pare.config import Initialisation
from pare.method.body import Body, initialise
from pare.method.embedder import adapt
from pare.method.predictor import ClassPredictor, DensePredictor


class Interface(Protocol):
    """Inputs and outputs of a model: the kind of output, the input shape (C, L) or (C, H, W), and the output shape.

    Every `pare.data.task.Task` is one.
    """

    @property
    def kind(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...


def predictor(
    interface: Interface,
    body: Body,
    tokens: int,
    spatial_shape: tuple[int, ...] | None = None,
    scale: float = 1.0,
) -> nn.Module:
    """Build a predictor of an interface's outputs from the features that a body makes of `tokens` tokens.

    A given `spatial_shape` replaces the resolution of dense outputs. `scale` multiplies the initial weights of the last
    layer.
    """
    head: ClassPredictor | DensePredictor
    if interface.kind == "dense":
        head = DensePredictor(body.features, body.grid_out(tokens), spatial_shape or interface.output_shape)
    else:
        head = ClassPredictor(body.features, interface.output_shape[0])
    initialise(head)
    scale_weights(head.last, scale)
    return head


@torch.no_grad()
def scale_weights(layer: nn.Module, scale: float) -> None:
    """Multiply the initial weights of a layer, whose bias is 0, in place."""
    layer.weight.mul_(scale)  # type: ignore[operator] # a linear map or a convolution


class CrossModalModel(nn.Module):
    """Model from target inputs (B, *shape) to predictions in the task's own units (B, *output_shape).

    `statistics` may hold `input_mean`, `input_std`, `output_mean` and `output_std`: the model normalises inputs and
    decodes outputs, so that losses and metrics see the task's own units. `patch` is for sequences, see `Run.patch`;
    `init` says how new parameters are initialised.

    Raises:
        RequestError: the body cannot take the task's modality, or the patch does not fit.
    """

    input_mean: Tensor
    input_std: Tensor
    output_mean: Tensor
    output_std: Tensor

    def __init__(
        self,
        interface: Interface,
        body: Body,
        patch: int,
        statistics: Mapping[str, np.ndarray] | None = None,
        init: Initialisation | None = None,
    ) -> None:
        super().__init__()
        channels, *spatial_shape = interface.shape
        self.body = body
        self.tokens = body.tokens(spatial_shape, patch)
        init = init or Initialisation()
        self.embedder = body.embedder(channels, spatial_shape, patch)
        self.embedder.position_order = init.positions
        own = getattr(body.source_embedder, "projection", None)
        if init.stem == "sum" and channels == 1 and own is not None:
            summed = adapt(own, channels, self.embedder.projection.kernel_size, init.stem)
            self.embedder.projection.load_state_dict(summed.state_dict())
        self.head = predictor(interface, body, self.tokens, scale=init.heads)
        for name, default in (("input_mean", 0.0), ("input_std", 1.0), ("output_mean", 0.0), ("output_std", 1.0)):
            array = np.asarray((statistics or {}).get(name, default), dtype=np.float32)
            self.register_buffer(name, torch.from_numpy(array.copy()))
        self._by_channel = all(array.shape[-2:] in ((), (1, 1)) for array in (self.input_mean, self.input_std))

    def embed(self, x: Tensor) -> Tensor:
        """Embed inputs as target tokens T (B, N, D)."""
        if self._by_channel:
            # Bilinear weights sum to 1, so the order does not matter; resizing first leaves less to normalise.
            x = self.embedder.resize(x)
        return self.embedder((x - self.input_mean) / self.input_std)

    def decode(self, features_BMF: Tensor) -> Tensor:
        """Turn features into predictions in the task's own units."""
        return self.head(features_BMF).float() * self.output_std + self.output_mean

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.body(self.embed(x)))

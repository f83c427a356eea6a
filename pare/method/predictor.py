"""Predictors, which turn features of the body into outputs of a task."""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from pare.method.embedder import resize


class ClassPredictor(nn.Module):
    """Features (B, M, features) → logits (B, classes): mean over tokens, then a linear map.

    It also serves multi-label targets and regression.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)

    @property
    def last(self) -> nn.Linear:
        """The layer that makes the outputs."""
        return self.linear

    def forward(self, features_BMF: Tensor) -> Tensor:
        return self.linear(features_BMF.mean(1))


class DensePredictor(nn.Module):
    """Features on a grid → one output at the target's own resolution, (B, H, W) or (B, L), or several, (B, C, …).

    A linear map and a pixel shuffle unfold each feature vector to its cell at about the target's resolution. The result
    is interpolated to exactly that of `outputs`, and two small convolutions smooth the seams between cells.
    """

    channels = 8

    def __init__(self, features: int, grid: Sequence[int], outputs: Sequence[int]) -> None:
        super().__init__()
        self.grid = tuple(grid)
        axes = len(self.grid)
        self.fields, self.outputs = tuple(outputs[:-axes]), tuple(outputs[-axes:])
        self.cell = tuple(math.ceil(out / cells) for out, cells in zip(self.outputs, grid, strict=True))
        self.unfold = nn.Linear(features, self.channels * math.prod(self.cell))
        conv = nn.Conv2d if len(self.grid) == 2 else nn.Conv1d
        self.smooth = nn.Sequential(
            conv(self.channels, self.channels, 3, padding=1),
            nn.GELU(),
            conv(self.channels, math.prod(self.fields), 3, padding=1),
        )

    @property
    def last(self) -> nn.Module:
        """The layer that makes the outputs."""
        return self.smooth[-1]

    def forward(self, features_BMF: Tensor) -> Tensor:
        cells = self.unfold(features_BMF)
        batch = len(cells)
        if len(self.grid) == 2:
            (rows, columns), (height, width) = self.grid, self.cell
            x = cells.view(batch, rows, columns, self.channels, height, width).permute(0, 3, 1, 4, 2, 5)
            x = x.reshape(batch, self.channels, rows * height, columns * width)
            x = resize(x, self.outputs)
        else:
            x = cells.view(batch, self.grid[0], self.channels, self.cell[0]).permute(0, 2, 1, 3)
            x = x.reshape(batch, self.channels, self.grid[0] * self.cell[0])
            x = F.interpolate(x, size=self.outputs, mode="linear", align_corners=False)
        return self.smooth(x) if self.fields else self.smooth(x).squeeze(1)

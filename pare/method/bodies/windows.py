"""The blocks of a Swin on Hugging Face's modules and weights, with constant work done once.

`SwinLayer.forward` rolls, pads, cuts windows, and rebuilds its mask and relative position bias in every block of every
step. Here one permutation of the tokens makes the windows, masks are buffers, and one product gathers the biases of all
blocks. Shapes: B samples, N tokens, D width, W windows of T tokens, H heads.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pare.method.blocks import normalised, projected, working_type

_ALIGNED = 8
"""Multiple to which rows of a bias are padded: a GPU's fused attention would copy unaligned ones."""

_SHALLOW = 2
"""Largest number of blocks of a stage that is not compiled."""

_FORBIDDEN = -100.0
"""Mask value added to the attention score of tokens that only the shift made neighbours, as released."""


class WindowPartition(nn.Module):
    """Windows of the N tokens of a grid, shifted or not: a permutation, its inverse, and a mask (W, 1, T, T')."""

    order_N: Tensor
    inverse_N: Tensor
    mask: Tensor | None

    def __init__(self, grid: tuple[int, int], window: int, shift: int) -> None:
        super().__init__()
        height, width = grid
        self.length = window * window

        def cut(places: Tensor) -> Tensor:
            rows, columns = height // window, width // window
            return places.view(rows, window, columns, window).transpose(1, 2).reshape(rows * columns, self.length)

        order = cut(torch.arange(height * width).view(grid).roll((-shift, -shift), (0, 1))).flatten()
        self.register_buffer("order_N", order, persistent=False)
        self.register_buffer("inverse_N", order.argsort(), persistent=False)
        mask = None
        if shift:
            rows, columns = (
                (torch.arange(side) >= side - window).long() + (torch.arange(side) >= side - shift).long()
                for side in grid
            )
            region = cut(3 * rows[:, None] + columns)
            apart = (region[:, :, None] != region[:, None, :]).float() * _FORBIDDEN
            mask = F.pad(apart, (0, _aligned(self.length) - self.length))[:, None]
        self.register_buffer("mask", mask, persistent=False)

    def partition(self, tokens_BND: Tensor) -> Tensor:
        """Turn tokens in raster order (B, N, D) into windows (B·W, T, D)."""
        windows = _Reorder.apply(tokens_BND, self.order_N, self.inverse_N)
        return windows.reshape(-1, self.length, tokens_BND.shape[2])

    def reverse(self, windows: Tensor, batch: int) -> Tensor:
        """Turn windows (B·W, T, D) into tokens in raster order (B, N, D)."""
        return _Reorder.apply(windows.reshape(batch, -1, windows.shape[2]), self.inverse_N, self.order_N)


class _Reorder(torch.autograd.Function):
    """`x[:, order]` for a permutation; the gradient is a permutation too, while indexing would sum it by atomics."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(order, inverse)
        return x.index_select(1, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        order, inverse = ctx.saved_tensors
        return _Reorder.apply(gradients[0], inverse, order), None, None


class SwinEncoder(nn.Module):
    """Run the blocks of Hugging Face's `SwinEncoder` on grids whose sides are multiples of the window.

    It owns only buffers; the blocks are passed to it, so that their weights keep their names.
    """

    pairs: Tensor

    def __init__(self, window: int, grids: list[tuple[int, int]]) -> None:
        super().__init__()
        self.plain, self.shifted = (
            nn.ModuleList(WindowPartition(grid, window, 0 if min(grid) <= window else shift) for grid in grids)
            for shift in (0, window // 2)
        )
        self.window, self.grids = window, grids
        self.block = block
        self.register_buffer("pairs", _pairs(window), persistent=False)

    @classmethod
    def fitting(cls, config: Any, grid: tuple[int, int]) -> SwinEncoder | None:
        """Build the encoder for a body's configuration; None if a grid is no multiple of the window (needs padding)."""
        grids = [(grid[0] >> stage, grid[1] >> stage) for stage in range(len(config.depths))]
        halved = all(side % 2 == 0 for stage in grids[:-1] for side in stage)
        if not halved or any(side % config.window_size for stage in grids for side in stage):
            return None
        return cls(config.window_size, grids)

    def forward(self, encoder: Any, tokens_BND: Tensor) -> Tensor:
        """Turn tokens of the patch grid into features of the last stage, before the final norm."""
        biases = iter(self._biases(encoder, working_type(tokens_BND)))
        plain: Any
        shifted: Any
        for stage, plain, shifted in zip(encoder.layers, self.plain, self.shifted, strict=True):
            # Every stage has other shapes and compiles anew, which pays off only for deep stages.
            run = self.block if self.training and len(stage.blocks) > _SHALLOW else block
            for layer in stage.blocks:
                windows = shifted if layer.shift_size else plain
                tokens_BND = run(layer, tokens_BND, windows, next(biases))
            if stage.downsample is not None:
                tokens_BND = _merge(stage.downsample, tokens_BND, stage.blocks[0].input_resolution)
        return tokens_BND

    def _biases(self, encoder: Any, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """Return the relative position bias (H, T, T') of each block, rows padded; one product gathers all blocks."""
        tables = [
            layer.attention.relative_position_bias.relative_position_bias_table
            for stage in encoder.layers
            for layer in stage.blocks
        ]
        table = torch.cat(tables, dim=1)
        with torch.autocast(table.device.type, enabled=False):
            # A product with ones and zeros gathers exactly, and sums its gradient in a fixed order.
            bias = (self.pairs @ table.float()).t().to(dtype).contiguous()
        length = self.window**2
        return bias.view(table.shape[1], length, -1).split([part.shape[1] for part in tables])


def block(layer: Any, tokens_BND: Tensor, windows: WindowPartition, bias: Tensor) -> Tensor:
    """Run one `SwinLayer` on tokens in raster order."""
    attention = layer.attention
    dtype = working_type(tokens_BND)
    x = windows.partition(normalised(layer.layernorm_before, tokens_BND, dtype))
    heads = (*x.shape[:2], -1, attention.head_dim)
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    query, key, value = (part.view(heads).transpose(1, 2) for part in projected(projections, x))
    if windows.mask is None:
        bias = bias[None]
    else:
        bias = bias + windows.mask.to(bias.dtype)
        bias = bias.expand(len(tokens_BND), *bias.shape).flatten(0, 1)
    mixed = F.scaled_dot_product_attention(query, key, value, bias[..., : windows.length], scale=attention.scaling)
    x = attention.o_proj(mixed.transpose(1, 2).flatten(2))
    tokens_BND = tokens_BND + layer.drop_path(windows.reverse(x, len(tokens_BND)))
    return tokens_BND + layer.mlp(normalised(layer.layernorm_after, tokens_BND, dtype))


def _merge(downsample: Any, tokens_BND: Tensor, grid: tuple[int, int]) -> Tensor:
    """Merge each 2 × 2 neighbours, column by column, into one token, as Hugging Face's patch merging; copy once."""
    batch, _, width = tokens_BND.shape
    rows, columns = grid[0] // 2, grid[1] // 2
    x = tokens_BND.view(batch, rows, 2, columns, 2, width).permute(0, 1, 3, 4, 2, 5)
    x = normalised(downsample.norm, x.reshape(batch, rows * columns, 4 * width), working_type(x))
    return downsample.reduction(x)


def _aligned(length: int) -> int:
    return -(-length // _ALIGNED) * _ALIGNED


def _pairs(window: int) -> Tensor:
    """Return the one-hot row of the bias table for each pair of tokens, (T·T', (2·window - 1)²); padding has none."""
    length, side = window * window, 2 * window - 1
    place = torch.arange(length)
    rows, columns = place // window, place % window
    down, right = (axis[:, None] - axis[None, :] + window - 1 for axis in (rows, columns))
    pairs = F.one_hot(down * side + right, side * side).float()
    return F.pad(pairs, (0, 0, 0, _aligned(length) - length)).flatten(0, 1)

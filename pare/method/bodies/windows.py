"""The blocks of a Swin on Hugging Face's modules and weights, with constant work done once.

`SwinLayer.forward` rolls, pads, cuts windows, and rebuilds its mask and relative position bias in every block of every
step. Here tokens lie window by window, one permutation shifts the windows, masks are buffers, and one product gathers
the biases of all blocks. Shapes: B samples, N tokens, D width, W windows of T tokens, H heads.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pare.method.blocks import normalised, projected, working_type

Grid = tuple[int, int]

_ALIGNED = 8
"""Multiple to which rows of a bias are padded: a GPU's fused attention would copy unaligned ones."""

_SHALLOW = 2
"""Largest number of blocks of a stage that is compiled only where every stage is."""

_FORBIDDEN = -100.0
"""Mask value added to the attention score of tokens that only the shift made neighbours, as released."""


class Permutation(nn.Module):
    """A permutation of the N tokens of a sample."""

    order_N: Tensor
    inverse_N: Tensor

    def __init__(self, order_N: Tensor) -> None:
        super().__init__()
        self.register_buffer("order_N", order_N, persistent=False)
        self.register_buffer("inverse_N", order_N.argsort(), persistent=False)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        return _Reorder.apply(tokens_BND, self.order_N, self.inverse_N)

    def reverse(self, tokens_BND: Tensor) -> Tensor:
        return _Reorder.apply(tokens_BND, self.inverse_N, self.order_N)


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


class Shift(Permutation):
    """From windows to windows that are shifted by `shift` rows and columns, with their mask (W, 1, T, T')."""

    mask: Tensor

    def __init__(self, grid: Grid, window: int, shift: int) -> None:
        raster = torch.arange(grid[0] * grid[1]).view(grid)
        place_N = _windows(raster, window).flatten().argsort()
        super().__init__(place_N[_windows(raster.roll((-shift, -shift), (0, 1)), window).flatten()])
        rows, columns = (
            (torch.arange(side) >= side - window).long() + (torch.arange(side) >= side - shift).long() for side in grid
        )
        region = _windows(3 * rows[:, None] + columns, window)
        apart = (region[:, :, None] != region[:, None, :]).float() * _FORBIDDEN
        mask = F.pad(apart, (0, _aligned(window**2) - window**2))[:, None]
        self.register_buffer("mask", mask, persistent=False)


class SwinEncoder(nn.Module):
    """Run the blocks of Hugging Face's `SwinEncoder` on grids whose sides are multiples of the window.

    Tokens lie window by window from the first block to the last, so only shifted blocks and patch mergings move them.
    It owns only buffers; the blocks are passed to it, so that their weights keep their names.
    """

    pairs: Tensor

    def __init__(self, window: int, grids: list[Grid]) -> None:
        super().__init__()
        shifts: Any = (Shift(grid, window, window // 2) if min(grid) > window else None for grid in grids)
        self.shifts = nn.ModuleList(shifts)
        self.enter, self.leave = (Permutation(_window_order(grid, window)) for grid in (grids[0], grids[-1]))
        self.merges = nn.ModuleList(Permutation(_merge_order(grid, window)) for grid in grids[:-1])
        self.window = window
        self.block, self.every = block, False
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
        merges = iter(self.merges)
        shift: Any
        tokens_BND = self.enter(tokens_BND)
        for stage, shift in zip(encoder.layers, self.shifts, strict=True):
            # Every stage has other shapes and compiles anew, which pays off soonest for deep stages.
            run = self.block if self.training and (self.every or len(stage.blocks) > _SHALLOW) else block
            for layer in stage.blocks:
                tokens_BND = run(layer, tokens_BND, shift if layer.shift_size else None, next(biases))
            if stage.downsample is not None:
                tokens_BND = _merge(stage.downsample, next(merges)(tokens_BND))
        return self.leave.reverse(tokens_BND)

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


def block(layer: Any, tokens_BND: Tensor, shift: Shift | None, bias: Tensor) -> Tensor:
    """Run one `SwinLayer` on tokens that lie window by window; `bias` is (H, T, T')."""
    attention = layer.attention
    dtype, length = working_type(tokens_BND), bias.shape[-2]
    x = normalised(layer.layernorm_before, tokens_BND, dtype)
    x = (x if shift is None else shift(x)).reshape(-1, length, x.shape[2])
    heads = (*x.shape[:2], -1, attention.head_dim)
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    query, key, value = (part.view(heads).transpose(1, 2) for part in projected(projections, x))
    if shift is None:
        bias = bias[None]
    else:
        bias = bias + shift.mask.to(bias.dtype)
        bias = bias.expand(len(tokens_BND), *bias.shape).flatten(0, 1)
    mixed = F.scaled_dot_product_attention(query, key, value, bias[..., :length], scale=attention.scaling)
    x = attention.o_proj(mixed.transpose(1, 2).flatten(2)).view(len(tokens_BND), *tokens_BND.shape[1:])
    tokens_BND = tokens_BND + layer.drop_path(x if shift is None else shift.reverse(x))
    return tokens_BND + layer.mlp(normalised(layer.layernorm_after, tokens_BND, dtype))


def _merge(downsample: Any, tokens_BND: Tensor) -> Tensor:
    """Make one token of each four in a row, as Hugging Face's patch merging does."""
    x = tokens_BND.reshape(len(tokens_BND), -1, 4 * tokens_BND.shape[2])
    return downsample.reduction(normalised(downsample.norm, x, working_type(x)))


def _windows(places: Tensor, window: int) -> Tensor:
    """Cut what belongs to the places of a grid into windows, (W, T)."""
    rows, columns = places.shape[0] // window, places.shape[1] // window
    return places.view(rows, window, columns, window).transpose(1, 2).reshape(rows * columns, window**2)


def _window_order(grid: Grid, window: int) -> Tensor:
    """Return the place in raster order of each token that lies window by window."""
    return _windows(torch.arange(grid[0] * grid[1]).view(grid), window).flatten()


def _merge_order(grid: Grid, window: int) -> Tensor:
    """Return the order in which four neighbours, column by column, lie in a row, and their tokens window by window."""
    merged = grid[0] // 2, grid[1] // 2
    raster = torch.arange(grid[0] * grid[1]).view(merged[0], 2, merged[1], 2)
    fours = raster.permute(0, 2, 3, 1).reshape(-1, 4)[_window_order(merged, window)]
    return _window_order(grid, window).argsort()[fours.flatten()]


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

"""The bases of bodies of images (2D), and of those of one width: a class token, patches, layers, a norm."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pare.errors import RequestError
from pare.method import bodies
from pare.method.bodies.base import Body
from pare.method.embedder import PatchEmbedder, adapt

Grid = tuple[int, int]


class ImageBody(Body):
    """A body of images, which are resized to its size and cut into its patches."""

    modality: ClassVar[Literal["1d", "2d"]] = "2d"
    projections: ClassVar[tuple[str, str, str]] = ("q_proj", "k_proj", "v_proj")
    image_mean: ClassVar[Sequence[float]] = (0.485, 0.456, 0.406)
    image_std: ClassVar[Sequence[float]] = (0.229, 0.224, 0.225)

    antialias: ClassVar[bool] = False
    """Whether positions are smoothed before they are sampled for a smaller grid."""

    source_embedder: PatchEmbedder

    def __init__(
        self,
        config: Any,
        encoder: nn.Module,
        norm: nn.Module,
        projection: nn.Conv2d,
        embedding_norm: nn.Module,
        positions_ND: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.size, self.patch = pair(config.image_size), pair(config.patch_size)
        self.encoder, self.norm = encoder, norm
        own = PatchEmbedder(projection, embedding_norm, positions_ND, size=self.size)
        self.source_embedder = own.requires_grad_(False)

    @property
    def grid(self) -> Grid:
        """Rows and columns of patches."""
        return self.size[0] // self.patch[0], self.size[1] // self.patch[1]

    def tokens(self, spatial_shape: Sequence[int], patch: int) -> int:  # noqa: ARG002 - images are resized to the body's size
        if len(spatial_shape) != 2:
            raise RequestError(
                f"target of shape {tuple(spatial_shape)} for a body of images ({self.config.model_type}): sequences "
                f"take one of {', '.join(bodies.SEQUENCES)}"
            )
        return math.prod(self.grid)

    def source_tokens(self, spatial_shape: Sequence[int]) -> int:
        return self.tokens(spatial_shape, 1)

    def grid_in(self, tokens: int) -> tuple[int, ...]:  # noqa: ARG002
        return self.grid

    def embedder(self, channels: int, spatial_shape: Sequence[int], patch: int) -> PatchEmbedder:  # noqa: ARG002
        own = self.source_embedder
        projection, norm = adapt(own.projection, channels, self.patch), copy.deepcopy(own.norm)
        return PatchEmbedder(projection, norm, own.positions, size=self.size).requires_grad_(True)

    def resize(self, image_size: int, patch_size: int) -> None:
        """Resample the positions and the filters for another grid."""
        before = self.grid
        size = (image_size, image_size) if image_size else self.size
        patch = (patch_size, patch_size) if patch_size else self.patch
        if (size, patch) == (self.size, self.patch):
            return
        if any(side % step for side, step in zip(size, patch, strict=True)):
            near = max(round(size[0] / patch[0]), 1) * patch[0]
            raise RequestError(f"image_size is {size[0]} with patches of {patch[0]}: give a multiple, such as {near}")
        self.size, self.patch = size, patch
        own = self.source_embedder
        own.size = size
        own.projection = adapt(own.projection, own.projection.in_channels, patch).requires_grad_(False)
        if own.positions is not None:
            own.positions = nn.Parameter(self.interpolate(own.positions, before), requires_grad=False)
        self.config.image_size = size[0] if size[0] == size[1] else size
        self.config.patch_size = patch[0] if patch[0] == patch[1] else patch
        self.regrid(before)

    @torch.no_grad()
    def interpolate(self, positions_ND: Tensor, before: Grid) -> Tensor:
        """Resample positions from another grid to the present one, bicubically, as transformers does."""
        image = positions_ND.T.unflatten(1, before)[None]
        options: dict[str, Any] = {"mode": "bicubic", "align_corners": False, "antialias": self.antialias}
        return F.interpolate(image, size=self.grid, **options)[0].flatten(1).T.contiguous()

    @abstractmethod
    def regrid(self, before: Grid) -> None:
        """Fit the layers to the grid that has taken the place of another."""

    @torch.no_grad()
    def initialise_embeddings(self) -> None:
        own = self.source_embedder
        if own.positions is not None:
            own.positions.normal_(std=own.positions.shape[1] ** -0.5)


class SpecialTokens(nn.Module):
    """Class and register tokens (P, D), positions included, which go before the patches."""

    def __init__(self, tokens_PD: Tensor) -> None:
        super().__init__()
        self.tokens = nn.Parameter(tokens_PD.detach().clone())

    def forward(self, patches_BND: Tensor) -> Tensor:
        return torch.cat([self.tokens.to(patches_BND.dtype).expand(len(patches_BND), -1, -1), patches_BND], dim=1)


class VisionTransformer(ImageBody):
    """A body whose layers all have one width: features are those of the patches, normalised.

    Class and register tokens are its own: it puts them before the patches and drops them after the last layer, so that
    they are never replaced, scored or predicted from. `positions_ND` are the patches' alone.
    """

    def __init__(
        self,
        config: Any,
        layers: Iterable[nn.Module],
        projection: nn.Conv2d,
        positions_ND: Tensor | None,
        special_PD: Tensor | None,
        norm: nn.Module,
        embedding_norm: nn.Module | None = None,
    ) -> None:
        super().__init__(config, nn.ModuleList(layers), norm, projection, embedding_norm or nn.Identity(), positions_ND)
        self.width = self.features = config.hidden_size
        self.special = None if special_PD is None else SpecialTokens(special_PD)

    def grid_out(self, tokens: int) -> tuple[int, ...]:  # noqa: ARG002
        return self.grid

    def blocks(self) -> list[nn.Module]:
        return [part for part in (self.special, *self.layers) if part is not None]

    def regrid(self, before: Grid) -> None:
        """Nothing else depends on the grid."""

    @torch.no_grad()
    def initialise_embeddings(self) -> None:
        super().initialise_embeddings()
        if self.special is not None:
            self.special.tokens.normal_(std=self.width**-0.5)

    def run(self, layer: nn.Module, tokens_BND: Tensor) -> Tensor:
        """Run one layer on special tokens and patches."""
        return layer(tokens_BND, None)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        patches = tokens_BND.shape[1]
        if self.special is not None:
            tokens_BND = self.special(tokens_BND)
        for layer in self.layers:
            tokens_BND = self.run(layer, tokens_BND)
        return self.norm(tokens_BND[:, -patches:])


def pair(value: int | Sequence[int]) -> Grid:
    """Return height and width, which are one number or two."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])

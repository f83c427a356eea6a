"""Read a folder of images with one folder per class, perhaps below folders train, val and test."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pare.data.task import SPLITS
from pare.errors import DataError
from pare.tasks.own.samples import Samples

logging.getLogger("PIL").addHandler(logging.NullHandler())  # errors of images are reported with the file name

SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}

_SIDE = 224
_SPLIT_NAMES = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"}
_DEEP = {"I": "32-bit integers", "F": "floating point"} | dict.fromkeys(("I;16", "I;16L", "I;16B", "I;16N"), "16 bit")
"""Pillow's modes of grey images deeper than 8 bit."""

_ALPHA = {"RGBA", "LA", "PA", "La", "RGBa"}


@dataclass(frozen=True)
class _Picture:
    """An image (H, W, 4) of bytes, alpha last, or a deep one (H, W, 1) float32, and the conversions applied to it."""

    pixels: np.ndarray
    depth: str
    mode: str
    turned: bool
    resized: bool
    narrowed: bool


def read(folder: Path) -> Samples:
    """Read the images as bytes (n, H, W, 3), with alpha (n, H, W, 4), or deep ones unchanged as (n, H, W, 1) float32.

    All are resized to the size of the first, at most 224 × 224.

    Raises:
        DataError: there is none, one is damaged or has several frames, or they differ in depth; names the file.
    """
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    splits = {path: _SPLIT_NAMES.get(path.name.lower(), path.name.lower()) for path in below}
    given = bool(below) and set(splits.values()) <= set(SPLITS)
    if given and sorted(splits.values()) != sorted(SPLITS):
        names = ", ".join(path.name for path in below)
        raise DataError(f"{folder} holds {names}: give train, val and test, or only a folder per class")
    classes = [path for split in below for path in sorted(split.iterdir()) if path.is_dir()] if given else below
    files = [file for of in classes for file in sorted(of.iterdir()) if _is_image(file)]
    if not files:
        raise DataError(
            f"{folder} holds no image below a folder of its class: give some ({', '.join(sorted(SUFFIXES))})"
        )
    for of in classes:
        if not any(file.parent == of for file in files):
            raise DataError(f"{of} holds no image: give some of this class, or remove the folder")
    first = _read(files[0], None)
    size = (first.pixels.shape[1], first.pixels.shape[0])
    pictures = [first, *(_read(file, size) for file in files[1:])]
    for file, picture in zip(files, pictures, strict=True):
        if picture.depth != first.depth:
            raise DataError(f"{file} is of {picture.depth}, {files[0]} of {first.depth}: save all alike")
    x = np.stack([picture.pixels for picture in pictures])
    deep = x.shape[-1] == 1
    alpha = not deep and bool((x[..., 3] != 255).any())
    split = np.array([splits[file.parent.parent] for file in files]) if given else None
    return Samples(
        x if deep or alpha else np.ascontiguousarray(x[..., :3]),
        np.array([file.parent.name for file in files]),
        split=split,
        channels_last=True,
        found=f"images of {first.depth}: {_counted(Counter(picture.mode for picture in pictures))}",
        converted=_conversions(pictures, size, alpha),
        left_out=_left_out(folder, [*below, *classes], set(files)),
    )


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()


def _read(file: Path, size: tuple[int, int] | None) -> _Picture:
    try:
        with warnings.catch_warnings():
            # Pillow warns of images of more than 90 million pixels, and refuses those of more than twice that.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # about metadata that is not used
            with Image.open(file) as image:
                frames = getattr(image, "n_frames", 1)
                if frames > 1 and image.format != "MPO":  # a camera's JPEG with a preview
                    raise DataError(f"{file} has {frames} frames: give a picture a file")
                narrowed = image.mode not in _DEEP and ";16" in str(image.tile)  # Pillow keeps 8 bits per colour
                image.load()
                turned = ImageOps.exif_transpose(image)
                upright = turned if turned is not None else image
                size = size or (min(upright.width, _SIDE), min(upright.height, _SIDE))
                return _Picture(
                    _pixels(upright, size),
                    _DEEP.get(image.mode, "8 bit"),
                    image.mode,
                    image.getexif().get(0x0112, 1) != 1,
                    upright.size != size,
                    narrowed,
                )
    except DataError:
        raise
    except Exception as error:  # a damaged file may raise any exception
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(f"{file} is no readable image ({reason})") from error


def _pixels(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    if image.mode in _DEEP:
        # Of modes deeper than 8 bit, Pillow resizes only floating point.
        return np.array(Image.fromarray(np.asarray(image).astype(np.float32)).resize(size))[..., None]
    transparent = image.mode in _ALPHA or "transparency" in image.info
    # Images without alpha are resized as RGB, because resizing with alpha weighs pixels by it.
    flat = image.convert("RGBA" if transparent else "RGB").resize(size)
    return np.array(flat.convert("RGBA"))


def _conversions(pictures: list[_Picture], size: tuple[int, int], alpha: bool) -> tuple[str, ...]:
    resized, turned, narrowed = (
        sum(getattr(each, name) for each in pictures) for name in ("resized", "turned", "narrowed")
    )
    modes = {each.mode for each in pictures} - {"RGB", *_DEEP} - (_ALPHA if alpha else set())
    had_alpha = any(each.mode in _ALPHA for each in pictures)
    phrases = (
        f"{resized} of {len(pictures)} images resized to {size[0]}×{size[1]} pixels" if resized else "",
        f"{narrowed} images of 16 bit a colour as 8 bit" if narrowed else "",
        f"{turned} images turned as their EXIF orientation says" if turned else "",
        f"images of mode {', '.join(sorted(modes))} as RGB" if modes else "",
        "alpha is a fourth channel" if alpha else "alpha left out: it is opaque everywhere" if had_alpha else "",
    )
    return tuple(filter(None, phrases))


def _left_out(folder: Path, folders: list[Path], read: set[Path]) -> tuple[str, ...]:
    """Count the files that were not read, by suffix, and the folders inside class folders."""
    known = read | set(folders)
    others = [path for each in {folder, *folders} for path in each.iterdir() if path not in known]
    kinds = Counter(
        "folder in a folder of a class" if path.is_dir() else path.suffix.lower() or path.name for path in others
    )
    return tuple(f"{count} × {kind}" for kind, count in sorted(kinds.items()))


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())

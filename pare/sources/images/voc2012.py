"""Source proxy for dense targets: photographs, and where in them an object is (PASCAL VOC 2012)."""

import io
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation

from pare.data.official.archives import Archive
from pare.data.synthetic.ifs import point_sets
from pare.data.synthetic.render import render
from pare.data.task import Download, ProgressCallback, Raw, Recipe
from pare.errors import DataError
from pare.sources.formula import masks
from pare.sources.images import base

SIDE = 224
"""The size that images and masks are resized to: the input of the published bodies."""

OBJECTS, VOID = 20, 255
"""Pixels of a mask are 0 for the background, 1 to 20 for an object's kind, 255 beside objects and where it is open."""

_HELD_OUT = 10  # one training image in so many is for validation
_TOP = "VOCdevkit/VOC2012"
_LISTS = "ImageSets/Segmentation"
_PARTS = ("train", "val")
_SIMULATED = 128  # longer side of a simulated image
_SEED = 2012
"""Other fractals than the other proxies'."""

_point_sets = cache(point_sets)


class Voc2012(base.Photographs):
    """The segmentation task of VOC 2012 (Everingham et al.): a photograph in [0, 1] in, the foreground's mask out.

    As in the released code, whatever object there is makes the foreground, and what is void does not. Masks rest at the
    images' size and are compared at that of a dense target; both times the nearest pixel counts, for no two blend.
    """

    name = "voc2012"
    title = "PASCAL VOC 2012 photographs (foreground)"
    kind = "dense"
    version = 1
    shape = (3, SIDE, SIDE)
    output_shape = (SIDE, SIDE)
    metric = masks.METRIC
    criterion = staticmethod(masks.cross_entropy)
    files = ("VOCtrainval_11-May-2012.tar",)
    homepage = (
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012, training/validation data; --source fractal-masks needs no file"
    )
    downloads: ClassVar[Mapping[str, Download]] = {
        "VOCtrainval_11-May-2012.tar": Download(
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            "md5:6cd6e144f989b92b3379bac3b3de84fd",
            1_999_639_040,
        )
    }
    paper: ClassVar = {}
    laptop: ClassVar = {}
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"train": 300, "val": 60, "seed": 0}}

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Draw fractals as objects, of many sizes, and pack them as the official archive is."""
        counts = {name: int(recipe[name]) for name in _PARTS}
        total, done = sum(counts.values()), 0
        with tarfile.open(folder / self.files[0], "w") as archive:

            def add(path: str, content: bytes) -> None:
                member = tarfile.TarInfo(f"{_TOP}/{path}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))

            for name, count in counts.items():
                ids = [f"2012_{number:06}" for number in range(done, done + count)]
                add(f"{_LISTS}/{name}.txt", "".join(f"{id_}\n" for id_ in ids).encode())
                for id_ in ids:
                    image, mask = _draw(done, int(recipe["seed"]))
                    add(f"JPEGImages/{id_}.jpg", image)
                    add(f"SegmentationClass/{id_}.png", mask)
                    done += 1
                    progress(done, total)

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the archive where it lies: train.txt, its last tenth for validation, and val.txt for testing."""
        archive = Archive(folder, self.files[0], f"{_LISTS}/")
        ids, test = (archive.read(f"{_LISTS}/{name}.txt").decode("utf-8", "replace").split() for name in _PARTS)
        cut = len(ids) - max(1, len(ids) // _HELD_OUT)
        if cut < 1:
            where = archive.path / _LISTS / "train.txt"
            raise DataError(f"{where} lists {len(ids)} images, expected 2 or more to train and validate on")

        def load(id_: str) -> tuple[Path, bytes, Path, bytes]:
            image, mask = f"JPEGImages/{id_}.jpg", f"SegmentationClass/{id_}.png"
            return archive.path / image, archive.read(image), archive.path / mask, archive.read(mask)

        return base.raw((ids[:cut], ids[cut:], test), load, _decode, progress)


TASK = Voc2012()


def _decode(path: Path, content: bytes, mask_path: Path, mask_content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The image (3, 224, 224) and its foreground (224, 224), both uint8."""
    image = base.picture(path, content, "JPEG")
    mask = base.picture(mask_path, mask_content, "PNG")
    if mask.size != image.size or mask.mode not in ("P", "L"):
        raise DataError(
            f"{mask_path} is a mask of {mask.width} × {mask.height} in mode {mask.mode}, expected one number a pixel "
            f"of the image of {image.width} × {image.height}"
        )
    kinds = np.unique(np.asarray(mask))
    unknown = kinds[(kinds > OBJECTS) & (kinds != VOID)]
    if unknown.size:
        raise DataError(f"{mask_path} holds the number {unknown[0]}, expected 0 to {OBJECTS} and {VOID}")
    x = base.rgb(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    small = np.asarray(mask.resize((SIDE, SIDE), Image.Resampling.NEAREST))
    return x, ((small > 0) & (small != VOID)).astype(np.uint8)


def _draw(number: int, seed: int) -> tuple[bytes, bytes]:
    """A simulated image, a JPEG, and its mask, a PNG of a palette."""
    kind = number % OBJECTS
    sets = _point_sets(OBJECTS, seed=_SEED)
    images, found = render(sets, np.array([kind]), np.array([number]), size=_SIMULATED, seed=seed, hardness=0.5)
    width, height = (_SIMULATED, 96) if number % 3 else (96, _SIMULATED)  # most photographs are wide
    # Objects have no holes of a pixel.
    shape = found[0].reshape(32, 4, 32, 4).any((1, 3)).repeat(4, 0).repeat(4, 1)[:height, :width]
    classes = np.where(shape, kind + 1, np.where(binary_dilation(shape, iterations=2), VOID, 0)).astype(np.uint8)
    mask = Image.fromarray(classes)
    mask.putpalette([(37 * value) % 256 for value in range(3 * 256)])
    file = io.BytesIO()
    mask.save(file, "PNG")
    return base.jpeg((images[0, :, :height, :width] * 255).astype(np.uint8)), file.getvalue()

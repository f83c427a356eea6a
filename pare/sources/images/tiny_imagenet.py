"""Source proxy for images: photographs of 200 classes, 64 pixels a side (Tiny-ImageNet)."""

import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F

from pare.data import checks, seeded
from pare.data.official.archives import Archive
from pare.data.task import Download, ProgressCallback, Raw, Recipe
from pare.errors import DataError
from pare.losses import cross_entropy
from pare.sources.images import base
from pare.tasks.nas360.cifar100 import simulator

SIDE = 64
CLASSES = 200
AREA, RATIO = (0.08, 1.0), 4 / 3
"""A random crop's share of the image, and its largest ratio of sides."""

_HELD_OUT = 10  # one training image in so many of a class is for validation
_TOP = "tiny-imagenet-200"

_Entry = tuple[str, int]
"""The path of an image in the archive, and its class."""


class TinyImageNet(base.Photographs):
    """Tiny-ImageNet (Le & Yang 2015): an image in [0, 1] in, its class, by order of WordNet's numbers, out.

    The test images of the archive have no labels: its validation images are for testing, and validation is carved from
    its training images. The released code takes 5,000 images, this one all.
    """

    name = "tiny-imagenet"
    title = "Tiny-ImageNet images"
    kind = "classification"
    version = 1
    shape = (3, SIDE, SIDE)
    output_shape = (CLASSES,)
    metric = checks.ERROR
    criterion = staticmethod(cross_entropy)
    files = ("tiny-imagenet-200.zip",)
    homepage = "Stanford CS231n (http://cs231n.stanford.edu); --source fractals needs no file"
    downloads: ClassVar[Mapping[str, Download]] = {
        "tiny-imagenet-200.zip": Download(
            "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            "md5:90528d7ca1a48142e341f4ef8d21d0de",
            248_100_043,
        )
    }
    paper: ClassVar = {}
    laptop: ClassVar = {}
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"train": 2000, "test": 400, "seed": 0}}

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Draw pictures of 200 kinds, compressed and packed as the official archive is; one in 50 is grey."""
        names = [f"n9{number:07}" for number in range(CLASSES)]
        with zipfile.ZipFile(folder / self.files[0], "w") as archive:

            def add(path: str, content: bytes) -> None:
                # A fixed time, so that the same recipe makes the same file.
                archive.writestr(zipfile.ZipInfo(f"{_TOP}/{path}"), content)

            add("wnids.txt", "\n".join(names).encode())
            add("words.txt", "".join(f"{name}\tsimulated kind {k}\n" for k, name in enumerate(names)).encode())
            annotations = ""
            for stream, part in enumerate(("train", "test")):
                rng = np.random.default_rng((int(recipe["seed"]), stream))
                kinds = np.arange(int(recipe[part])) % CLASSES
                for index, (kind, image) in enumerate(zip(kinds, _draw(kinds, rng), strict=True)):
                    if part == "train":
                        add(f"train/{names[kind]}/images/{names[kind]}_{index // CLASSES}.JPEG", image)
                    else:
                        add(f"val/images/val_{index}.JPEG", image)
                        annotations += f"val_{index}.JPEG\t{names[kind]}\t0\t0\t{SIDE - 1}\t{SIDE - 1}\n"
                progress(stream + 1, 2)
            add("val/val_annotations.txt", annotations.encode())

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the archive where it lies: the last tenth of each class's training images, 50, is for validation."""
        archive = Archive(folder, self.files[0], "train/")
        names = sorted(archive.read("wnids.txt").decode("utf-8", "replace").split())
        if len(set(names)) != CLASSES or len(names) != CLASSES:
            raise DataError(f"{archive.path / 'wnids.txt'} lists {len(set(names))} classes, expected {CLASSES}")
        numbers = {name: number for number, name in enumerate(names)}
        train, val = _training(archive, numbers)
        test = _annotated(archive, numbers)

        def load(entry: _Entry) -> tuple[Path, bytes, int]:
            path, number = entry
            return archive.path / path, archive.read(path), number

        return base.raw((train, val, test), load, _decode, progress)

    def augment(self, x: np.ndarray, y: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A part of each image at random, at its full size again, and one in two mirrored."""
        u = seeded.uniform(seeds, 5).T
        area = AREA[0] + (AREA[1] - AREA[0]) * u[0]
        ratio = RATIO ** (2 * u[1] - 1)
        width, height = np.minimum(np.sqrt(area * ratio), 1), np.minimum(np.sqrt(area / ratio), 1)
        across, down = (1 - width) * (2 * u[2] - 1), (1 - height) * (2 * u[3] - 1)
        width, flat = np.where(u[4] < 0.5, -width, width), np.zeros(len(x))
        window = np.stack([np.stack([width, flat, across], -1), np.stack([flat, height, down], -1)], axis=1)
        images = torch.from_numpy(x.astype(np.float32))
        grid = F.affine_grid(torch.from_numpy(window.astype(np.float32)), list(images.shape), align_corners=False)
        crops = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return crops.round().to(torch.uint8).numpy(), y


TASK = TinyImageNet()


def _training(archive: Archive, numbers: Mapping[str, int]) -> tuple[list[_Entry], list[_Entry]]:
    """The images for training and for validation: `train/<class>/images/….JPEG`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in archive.names:
        match path.split("/"):
            case ["train", name, "images", file] if file.upper().endswith(".JPEG"):
                found[name].append(path)
    train: list[_Entry] = []
    val: list[_Entry] = []
    for name, number in numbers.items():
        paths = found[name]
        held_out = max(1, len(paths) // _HELD_OUT)
        if len(paths) <= held_out:
            where = archive.path / "train" / name / "images"
            raise DataError(f"{where} holds {len(paths)} JPEG images, expected 2 or more to train and validate on")
        train += [(path, number) for path in paths[:-held_out]]
        val += [(path, number) for path in paths[-held_out:]]
    return train, val


def _annotated(archive: Archive, numbers: Mapping[str, int]) -> list[_Entry]:
    """The images for testing: a line of val_annotations.txt names an image, its class and a box."""
    path = "val/val_annotations.txt"
    entries: list[_Entry] = []
    for line in archive.read(path).decode("utf-8", "replace").splitlines():
        file, _, rest = line.partition("\t")
        name = rest.partition("\t")[0]
        if name not in numbers:
            raise DataError(f"{archive.path / path}: {line[:80]!r} is not an image, one of the classes and a box")
        entries.append((f"val/images/{file}", numbers[name]))
    return entries


def _decode(path: Path, content: bytes, number: int) -> tuple[np.ndarray, int]:
    image = base.picture(path, content, "JPEG")
    if image.size != (SIDE, SIDE):
        raise DataError(f"{path} is a picture of {image.width} × {image.height}, expected {SIDE} × {SIDE}")
    return base.rgb(image), number


def _draw(kinds: np.ndarray, rng: np.random.Generator) -> list[bytes]:
    """Simulated pictures of each of the kinds (n,): those from 100 on are the negatives of the others."""
    images = simulator.draw(kinds % 100, rng, SIDE)
    images[kinds >= 100] = 255 - images[kinds >= 100]
    grey = rng.random(len(kinds)) < 1 / 50
    return [base.jpeg(image[0] if single else image) for image, single in zip(images, grey, strict=True)]

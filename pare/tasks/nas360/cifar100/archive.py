"""The reader that CIFAR-10 and CIFAR-100 share: images of 32 pixels a side in an archive of pickled batches."""

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np

from pare.data import checks, seeded
from pare.data.official.pickles import dump_arrays, load_arrays
from pare.data.task import Task
from pare.errors import DataError
from pare.losses import cross_entropy

SIDE = 32
PAD = 4
"""Pixels of black around an image before a random crop."""


class Cifar(Task):
    """A CIFAR (Krizhevsky 2009): an image in [0, 1] in, its class out; images rest as bytes."""

    kind = "classification"
    shape = (3, SIDE, SIDE)
    metric = checks.ERROR
    criterion = staticmethod(cross_entropy)
    homepage = "https://www.cs.toronto.edu/~kriz/cifar.html, Python version"
    synthetic = "simulated"
    folder: ClassVar[str]
    """The folder of the batches in the archive."""

    key: ClassVar[str]
    """The key of a batch's classes."""

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Images (n, 3, 32, 32) or (n, 32, 32, 3), as bytes or in [0, 1], in [0, 1] with their channels first."""
        return checks.images(raw, self.shape)

    def assemble(self, x: np.ndarray) -> np.ndarray:
        """Bytes, as which images rest, in [0, 1]."""
        return checks.pixels(x)

    def augment(self, x: np.ndarray, y: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Crop each image at random from itself with a black border, and mirror one in two."""
        u = seeded.uniform(seeds, 3)
        row, column = ((2 * PAD + 1) * u[:, :2].T).astype(int)
        padded = np.pad(x, [(0, 0), (0, 0), (PAD, PAD), (PAD, PAD)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (SIDE, SIDE), axis=(2, 3))
        crops = windows[np.arange(len(x)), :, row, column]
        return np.where(u[:, 2, None, None, None] < 0.5, crops[..., ::-1], crops), y

    def pack(self, path: Path, batches: Iterable[tuple[str, np.ndarray, Mapping[str, np.ndarray]]]) -> None:
        """Write batches, each its name, images (n, 3, 32, 32) uint8 and labels by key, as the official archive is."""
        packed = gzip.GzipFile(path, "wb", compresslevel=1, mtime=0)  # no time, so the same each time
        with packed, tarfile.open(fileobj=packed, mode="w") as archive:
            for name, images, labels in batches:
                content = {"data": images.reshape(len(images), -1)}
                pickled = io.BytesIO()
                dump_arrays(pickled, content | {key: values.tolist() for key, values in labels.items()})
                member = tarfile.TarInfo(f"{self.folder}/{name}")
                member.size = pickled.tell()
                pickled.seek(0)
                archive.addfile(member, pickled)

    def batch(self, path: Path, name: str, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Images (n, 3, 32, 32) uint8 and classes (n,) of a batch in the archive, checked.

        Raises:
            DataError: the archive is missing, damaged, or holds something else under that name.
        """
        content = load_arrays(path, partial(_member, name=f"{self.folder}/{name}"))
        # Pickled again by Python 3, the keys may have become bytes.
        content = {_text(key): value for key, value in content.items()} if isinstance(content, dict) else {}
        if not {"data", self.key} <= content.keys():
            raise DataError(f"{path}: {name} should hold a dict with 'data' and '{self.key}'")
        data = checks.numbers(path, f"data of {name}", content["data"], (3 * SIDE**2,), least)
        if data.dtype != np.uint8:
            raise DataError(f"{path}: data of {name} is {data.dtype}, expected bytes")
        labels = checks.classes(path, f"{self.key} of {name}", content[self.key], len(data), self.output_shape[0])
        return data.reshape(-1, *self.shape), labels


def statistics(images: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and deviation of each channel of images (n, 3, H, W) uint8, in the units of inputs."""
    channels = [images[:, channel] / 255 for channel in range(3)]
    figures = {"input_mean": [c.mean() for c in channels], "input_std": [c.std() for c in channels]}
    return {name: np.array(values, dtype=np.float32)[:, None, None] for name, values in figures.items()}


def _text(key: Any) -> Any:
    return key.decode("latin1") if isinstance(key, bytes) else key


@contextmanager
def _member(path: Path, name: str) -> Iterator[IO[bytes]]:
    with tarfile.open(path) as archive:
        member = archive.extractfile(name)
        if member is None:
            raise tarfile.TarError(f"{name} is not a file")
        yield member
        # The archive compares its checksum at its end only.
        while archive.fileobj and archive.fileobj.read(2**20):
            pass

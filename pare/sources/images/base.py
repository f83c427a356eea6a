"""The base of source proxies of compressed photographs: decoding on all cores, and the scale that a body expects."""

import io
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from pare.data import checks, parallel
from pare.data.task import ProgressCallback, Raw, Split, Task
from pare.errors import DataError

STATISTICS = {
    "input_mean": np.array([0.485, 0.456, 0.406], dtype=np.float32)[:, None, None],
    "input_std": np.array([0.229, 0.224, 0.225], dtype=np.float32)[:, None, None],
}
"""ImageNet's mean and deviation, with which the published bodies were pretrained."""

_CHUNK = 64

_Sample = tuple[Any, ...]


class Photographs(Task):
    """Images in [0, 1], kept as bytes (n, 3, H, W)."""

    synthetic = "simulated"
    in_parts = True

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Images with their channels first or last, as bytes or in [0, 1], in [0, 1] with their channels first."""
        return checks.images(raw, self.shape)

    def assemble(self, x: np.ndarray) -> np.ndarray:
        """Bytes, as which images rest, in [0, 1]."""
        return checks.pixels(x)


def raw(
    parts: tuple[Sequence[Any], Sequence[Any], Sequence[Any]],
    load: Callable[[Any], _Sample],
    decode: Callable[..., tuple[np.ndarray, Any]],
    progress: ProgressCallback,
) -> Raw:
    """The samples of train, val and test in chunks, each a group of its own, numbered through.

    `load` reads what a sample is made of, here, and `decode`, a function of a module, makes its x and y of that,
    anywhere.
    """
    ends = list(accumulate(map(len, parts)))

    def splits(entries: Sequence[Any], first: int) -> Iterator[Split]:
        chunks = ([load(each) for each in entries[at : at + _CHUNK]] for at in range(0, len(entries), _CHUNK))
        for x, y in parallel.ordered(_decoded, chunks, decode):
            last = first + len(x)
            yield Split(x, y, np.arange(first, last))
            progress(last, ends[-1])
            first = last

    train, val, test = (splits(part, end - len(part)) for part, end in zip(parts, ends, strict=True))
    return Raw(train, val, test, STATISTICS)


def _decoded(part: list[_Sample], decode: Callable[..., tuple[np.ndarray, Any]]) -> tuple[np.ndarray, np.ndarray]:
    x, y = zip(*(decode(*sample) for sample in part), strict=True)
    return np.stack(x), np.stack(y)


def picture(path: Path, content: bytes, format: Literal["JPEG", "PNG"]) -> Image.Image:  # noqa: A002 - Pillow's name
    """The picture in the `content` of a file, read to its end.

    Raises:
        DataError: it is damaged, or of another format; names the file.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=(format,))
        image.load()
    except Exception as error:  # a damaged file raises whatever its first wrong byte happens to mean
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{path} is not a whole {format} picture ({reason})") from error
    return image


def rgb(image: Image.Image) -> np.ndarray:
    """A picture of any colours, grey ones too, as bytes (3, H, W)."""
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def jpeg(image: np.ndarray) -> bytes:
    """Bytes (3, H, W), or (H, W) for a grey picture, as the content of a file."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.moveaxis(image, 0, -1) if image.ndim == 3 else image)).save(file, "JPEG")
    return file.getvalue()

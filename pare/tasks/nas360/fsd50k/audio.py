"""FSD50K's chunks of audio, read from the benchmark's archive and turned into log-mel spectrograms."""

import csv
import io
import json
import wave
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pare.data import parallel, seeded
from pare.data.official.archives import Archive
from pare.data.task import Split
from pare.errors import DataError
from pare.tasks.nas360.fsd50k import logmel
from pare.tasks.nas360.fsd50k.logmel import RATE

LABELS = 200
FRAMES = 1 + RATE // logmel.HOP
"""Windows in a chunk of one second."""

MIXED, LOUDEST = 0.75, 0.5
"""The share of training chunks that noise is mixed into, and its largest share of the sum."""

_CHUNK = 32
_NOISES, _NOISE_SECONDS = 8, 60
"""Seconds of each noise file that are kept, and from how many at its beginning they are taken."""


class Manifest(NamedTuple):
    """The chunks of a split, clip by clip: files (n,), labels y (n, 200) bool, and clips (n,) counted from 0."""

    files: list[str]
    y: np.ndarray
    clip: np.ndarray


class _Part(NamedTuple):
    """Some chunks in a row, from number `first` of their split: paths and contents of their files, y and clips."""

    first: int
    files: list[tuple[Path, bytes]]
    y: np.ndarray
    clip: np.ndarray


class Audio:
    """The archive `name` in `folder`, packed or not.

    Raises:
        DataError: it is missing or damaged, or not laid out as the benchmark's.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.archive = Archive(folder, name, "chunks/tr.csv")
        self._found = defaultdict[str, list[str]](list)
        for path in self.archive.names:
            if path.endswith(".wav"):
                self._found[path.rpartition("/")[2]].append(path)

    def manifest(self, name: str) -> Manifest:
        """The split that `chunks/<name>.csv` lists, with columns files, labels (comma-separated) and ext, the clip."""
        path = f"chunks/{name}.csv"
        numbers = self._json("chunks/lbl_map.json")
        try:
            rows = [
                (row["ext"], row["files"], [numbers[label] for label in row["labels"].split(",")])
                for row in csv.DictReader(io.StringIO(self.archive.read(path).decode("utf-8")))
            ]
        except (KeyError, TypeError, AttributeError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(
                f"{self.archive.path / path}: no table of files, known labels and ext ({error!r})"
            ) from None
        order = {clip: number for number, clip in enumerate(dict.fromkeys(clip for clip, _, _ in rows))}
        rows.sort(key=lambda row: order[row[0]])
        y = np.zeros((len(rows), LABELS), bool)
        for place, (_, _, labels) in zip(y, rows, strict=True):
            place[labels] = True
        return Manifest([file for _, file, _ in rows], y, np.array([order[clip] for clip, _, _ in rows], np.int64))

    def noises(self) -> np.ndarray:
        """Spectrograms (k, 96, 101) float16 of background noise, some seconds from each file of `noise_22050/`."""
        bank = []
        for path in self.archive.names:
            if path.startswith("noise_22050/") and path.endswith(".wav"):
                spectrogram = logmel.decibels(_samples(*self._file(path), RATE, _NOISE_SECONDS * RATE)[None])[0]
                places = np.linspace(0, spectrogram.shape[1] - FRAMES, _NOISES).astype(int)
                bank += [spectrogram[:, place : place + FRAMES].astype(np.float16) for place in np.unique(places)]
        if not bank:
            raise DataError(f"{self.archive.path} holds no noise_22050/*.wav, which is mixed into training chunks")
        return np.stack(bank)

    def chunks(
        self, manifest: Manifest, first_clip: int, noises: np.ndarray | None, report: Callable[[int], None]
    ) -> Iterator[Split]:
        """A split's spectrograms (n, 1, 96, 102) float16 and labels, grouped by clip; how many are done is reported."""

        def parts() -> Iterator[_Part]:
            for start in range(0, len(manifest.files), _CHUNK):
                rows = slice(start, start + _CHUNK)
                files = [self._file(self._path(file)) for file in manifest.files[rows]]
                yield _Part(start, files, manifest.y[rows], first_clip + manifest.clip[rows])

        done = 0
        for split in parallel.ordered(_split, parts(), noises):
            yield split
            done += len(split)
            report(done)

    def _file(self, path: str) -> tuple[Path, bytes]:
        return self.archive.path / path, self.archive.read(path)

    def _json(self, name: str) -> dict[str, int]:
        try:
            content = json.loads(self.archive.read(name))
        except ValueError as error:
            raise DataError(f"{self.archive.path / name} is no JSON: {error}") from None
        if not isinstance(content, dict) or sorted(content.values(), key=str) != sorted(range(LABELS), key=str):
            raise DataError(f"{self.archive.path / name} should number {LABELS} labels from 0")
        return content

    def _path(self, file: str) -> str:
        """The path in the archive of a file as a table names it, which may be from another folder."""
        parts = file.replace("\\", "/").split("/")
        best = self._found.get(parts[-1], [])
        for depth in range(2, len(parts) + 1):
            # The more of its folders agree the better, so that equal names of two splits are told apart.
            best = [path for path in best if path.split("/")[-depth:] == parts[-depth:]] or best
        if len(best) != 1:
            raise DataError(f"{self.archive.path} holds {len(best)} files for {file!r} of its tables, expected one")
        return best[0]


def spectrograms(audio: np.ndarray) -> np.ndarray:
    """Inputs (n, 1, 96, 102) float32 of seconds of audio (n, 22050), their last column 0, as published."""
    return np.pad(logmel.decibels(audio), [(0, 0), (0, 0), (0, 1)])[:, None]


def _mix(x: np.ndarray, noises: np.ndarray, first: int) -> None:
    """Mix noise into three of four spectrograms (n, 1, 96, 102), the first being chunk number `first` of the split."""
    draws = seeded.uniform(np.arange(first, first + len(x), dtype=np.uint64), 3)
    share = np.where(draws[:, 0] < MIXED, LOUDEST * draws[:, 1], 0).astype(np.float32)[:, None, None]
    x[:, 0, :, :FRAMES] = (1 - share) * x[:, 0, :, :FRAMES] + share * noises[(draws[:, 2] * len(noises)).astype(int)]


def _split(part: _Part, noises: np.ndarray | None) -> Split:
    x = spectrograms(np.stack([_samples(path, content, RATE, RATE) for path, content in part.files]))
    if noises is not None:
        _mix(x, noises, part.first)
    return Split(x.astype(np.float16), part.y.astype(np.float32), part.clip)


def _samples(path: Path, content: bytes, least: int, most: int) -> np.ndarray:
    """The audio (samples,) float32 in [-1, 1] of a file, repeated to `least` samples and cut to `most`."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            kind = file.getframerate(), file.getsampwidth(), file.getnchannels()
            samples = np.frombuffer(file.readframes(most), "<i2").astype(np.float32) / 32768
    except (wave.Error, EOFError, ValueError) as error:
        raise DataError(f"{path} is no whole WAV file ({error})") from None
    if kind != (RATE, 2, 1) or len(samples) == 0:
        raise DataError(f"{path}: {kind} Hz, bytes and channels, expected {(RATE, 2, 1)}")
    return np.resize(samples, max(least, len(samples)))

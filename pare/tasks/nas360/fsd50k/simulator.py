"""Clips of sounds by label, simulated: tones, bands of noise, clicks and sweeps in the layout of FSD50K's archive."""

import csv
import io
import json
import wave
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfilt

from pare.data.task import ProgressCallback

RATE = 22050
_NAMES = [f"Sound {number:03d}" for number in range(200)]
_NOISE_FILES = 12


def write(path: Path, clips: Sequence[int], sounds: int, seed: int, progress: ProgressCallback) -> None:
    """Write `clips` of train, validation and test to a zip, of the first `sounds` of 200 labels, up to three each."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            zipfile.ZipInfo("audio/chunks/lbl_map.json"),
            json.dumps({name: number for number, name in enumerate(_NAMES)}),
        )
        done = 0
        for part, count in zip(("tr", "val", "eval"), clips, strict=True):
            table = io.StringIO()
            rows = csv.writer(table)
            rows.writerow(["files", "labels", "ext"])
            for _ in range(count):
                rng = np.random.default_rng((seed, done))
                # Every label comes in turn, so that none is missing from a split.
                labels = sorted({done % sounds, *rng.integers(0, sounds, rng.integers(0, 3))})
                audio = _clip(labels, int(rng.choice([1.0, 1.5, 2.0]) * RATE), rng)
                for number, start in enumerate(range(0, len(audio) - RATE + 1, RATE // 2)):
                    file = f"chunks/{part}/{done:06d}_{number}.wav"
                    archive.writestr(zipfile.ZipInfo(f"audio/{file}"), _wav(audio[start : start + RATE]))
                    rows.writerow([file, ",".join(_NAMES[label] for label in labels), f"{done:06d}"])
                done += 1
                progress(done, sum(clips))
            archive.writestr(zipfile.ZipInfo(f"audio/chunks/{part}.csv"), table.getvalue())
        rng = np.random.default_rng((seed, done))
        for number in range(_NOISE_FILES):
            hum = _band(rng.standard_normal(3 * RATE), rng.uniform(60, 3000), 1.5)
            archive.writestr(zipfile.ZipInfo(f"audio/noise_22050/noise-{number:04d}.wav"), _wav(0.1 * hum / hum.std()))


def _wav(audio: np.ndarray) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, RATE, len(audio), "NONE", ""))
        file.writeframes(np.clip(np.rint(audio * 32768), -32768, 32767).astype("<i2").tobytes())
    return content.getvalue()


def _clip(labels: Sequence[int], samples: int, rng: np.random.Generator) -> np.ndarray:
    """The sounds of all labels one over the other, and a little noise: (samples,) in [-1, 1]."""
    audio = 0.01 * rng.standard_normal(samples)
    for label in labels:
        sound = _SOUNDS[label % 4](label // 4, samples, rng)
        audio += rng.uniform(0.05, 0.2) * sound / sound.std()
    return audio / max(1.0, np.abs(audio).max())


def _pitch(number: int, rng: np.random.Generator) -> float:
    """The frequency in Hz of a kind's sound number, a little different each time."""
    return 220 * 2 ** (number * 0.6 % 5 + rng.normal(0, 0.04))


def _band(noise: np.ndarray, centre: float, octaves: float) -> np.ndarray:
    edges = np.clip(centre * 2.0 ** (np.array([-0.5, 0.5]) * octaves), 20, 0.49 * RATE)
    band: np.ndarray = sosfilt(butter(2, edges, "bandpass", fs=RATE, output="sos"), noise)
    return band


def _tone(number: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    phase = 2 * np.pi * _pitch(number, rng) * np.arange(samples) / RATE
    return np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)


def _hiss(number: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    return _band(rng.standard_normal(samples), _pitch(number, rng), 0.5)


def _clicks(number: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    audio = np.zeros(samples)
    period = RATE / (2 + 3 * number * np.exp(rng.normal(0, 0.05)))
    audio[np.arange(rng.uniform(0, period), samples, period).astype(int)] = 1
    return _band(np.convolve(audio, np.exp(-np.arange(800) / 150))[:samples], 2500, 2)


def _sweep(number: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    turns = np.arange(samples) / RATE * (1 + 0.5 * number) + rng.uniform(0, 1)
    frequency = 300 * 2 ** (3 * (turns % 1))
    return np.sin(2 * np.pi * np.cumsum(frequency) / RATE)


_SOUNDS = (_tone, _hiss, _clicks, _sweep)

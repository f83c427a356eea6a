"""Pictures of an epoch from the arrays that `pare.training.snapshots` takes: PNG files by their TensorBoard tag.

Pillow alone draws them, in a few milliseconds each: a sweep draws thousands while its trials need the processor.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pare.data.task import Task
from pare.reporting.scalars import PICTURES

Colour = tuple[int, int, int]
Panel = Image.Image

_TARGET, _SOURCE, _INK, _FAINT, _PAPER = (18, 98, 152), (214, 108, 16), (40, 44, 52), (150, 154, 160), (255, 255, 255)
_SIDE, _LENGTH, _HEIGHT, _GAP, _LINE = 150, 264, 84, 8, 18
"""Pixels: an image's side, a sequence's width and height, between panels, a line of text."""

_SHADES = 65
"""Colours in a ramp: smooth to the eye, and few enough for small files."""

_NUMBERED = 12
"""Maximum number of classes for which a confusion matrix shows its numbers."""

# Each side's ramp goes from dark to light through its own hue, so that a mixture shows the origin of each part.
_RAMPS: Mapping[str, Sequence[Colour]] = {
    "target": ((8, 20, 50), (20, 84, 138), (78, 168, 190), (226, 244, 238)),
    "source": ((46, 14, 6), (158, 62, 12), (236, 146, 44), (255, 242, 204)),
    "score": ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)),
    "grey": ((20, 20, 20), (245, 245, 245)),
    "difference": ((33, 102, 172), (247, 247, 247), (178, 24, 43)),
    "share": ((255, 255, 255), (158, 202, 225), (8, 69, 148)),
}


class Picture(NamedTuple):
    """A PNG file, its size in pixels, and its description."""

    png: bytes
    width: int
    height: int
    description: str


def draw(task: Task, figures: Mapping[str, Any]) -> dict[str, Picture]:
    """Draw the pictures of an epoch, by tag; none for a report without arrays."""
    arrays = {name.removeprefix(PICTURES): each for name, each in figures.items() if name.startswith(PICTURES)}
    floats = {name: array.astype(np.float32) for name, array in arrays.items() if array.dtype.kind == "f"}
    pictures: dict[str, Picture] = {}
    if "mixed" in arrays:
        share = f"{arrays['replaced'].mean():.0%} of the target's patches replaced"
        pictures["pictures/intermediate_modality"] = _mixture(floats, arrays["replaced"], share)
        pictures["pictures/gate"] = _gate(floats)
    if "truth" in arrays:
        pictures["pictures/predictions"] = _predictions(floats)
    if "confusion" in arrays:
        pictures["pictures/confusion"] = _confusion(arrays["confusion"], task.labels)
    return pictures


def _mixture(floats: Mapping[str, np.ndarray], replaced: np.ndarray, share: str) -> Picture:
    rows = []
    for target, source, mixed, mask in zip(floats["input"], floats["source"], floats["mixed"], replaced, strict=True):
        came = _stretched(mask, mixed.shape)
        if len(target) == 1:
            panels = [_plot([(target[0], _TARGET)]), _plot([(source[0], _SOURCE)]), _spliced(target, mixed, came)]
        else:
            own, other = _limits(target), _limits(source)
            both = np.where(came[..., None], _coloured(mixed, other, "source"), _coloured(mixed, own, "target"))
            panels = [
                _image(_coloured(target, own, "target")),
                _image(_coloured(source, other, "source")),
                _image(both),
            ]
        rows.append(panels)
    description = "Validation samples: target, source, and the target with its patches of lowest score replaced by the "
    description += "source's of highest score. Embedded patches are what is replaced; here their pixels stand for them."
    return _sheet(["target", "source", "mixed"], rows, share, description)


def _gate(floats: Mapping[str, np.ndarray]) -> Picture:
    names = [("input", "scores"), ("source", "source_scores")]
    every = np.concatenate([floats[scores].ravel() for _, scores in names])
    limits = (float(every.min()), float(every.max()))
    rows = []
    for index in range(len(floats["input"])):
        panels = []
        for name, scores in names:
            sample = floats[name][index]
            heat = _coloured(_stretched(floats[scores][index], sample.shape), limits, "score")
            if len(sample) == 1:
                panels.append(_plot([(sample[0], _INK)], background=heat))
            else:
                panels.append(_image(0.4 * _coloured(sample, _limits(sample), "grey") + 0.6 * heat))
        rows.append(panels)
    caption = f"scores from {limits[0]:.2f} (violet) to {limits[1]:.2f} (yellow)"
    return _sheet(["target", "source"], rows, caption, "The gate's score of each patch, over the samples")


def _predictions(floats: Mapping[str, np.ndarray]) -> Picture:
    rows, worst = [], 0.0
    for sample, truth, prediction in zip(floats["input"], floats["truth"], floats["prediction"], strict=True):
        low, high = _limits(truth)
        difference = prediction - truth
        largest = float(np.nanmax(np.abs(difference))) or 1.0
        worst = max(worst, largest / ((high - low) or 1.0))
        if len(truth) == 1:
            rows.append([_plot([(sample[0], _INK)]), _plot([(truth[0], _FAINT), (prediction[0], _TARGET)])])
        else:
            rows.append(
                [
                    _image(_coloured(sample, _limits(sample), "grey")),
                    _image(_coloured(truth, (low, high), "score")),
                    _image(_coloured(prediction, (low, high), "score")),
                    _image(_coloured(difference, (-largest, largest), "difference")),
                ]
            )
    titles = ["input", "truth", "prediction", "difference"] if len(rows[0]) == 4 else ["input", "truth, prediction"]
    caption = f"largest difference {worst:.0%} of the truth's range"
    return _sheet(titles, rows, caption, "Predictions for validation samples; each row on the scale of its truth")


def _confusion(counts: np.ndarray, labels: Sequence[str]) -> Picture:
    shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
    classes = len(counts)
    cell = 44 if classes <= _NUMBERED else max(3, 300 // classes)
    matrix = _image(_coloured(shares, (0.0, 1.0), "share"), cell * classes)
    pen = ImageDraw.Draw(matrix)
    named = classes <= _NUMBERED
    if named:
        for true, predicted in np.ndindex(*counts.shape):
            centre = ((predicted + 0.5) * cell, (true + 0.5) * cell)
            ink = _PAPER if shares[true, predicted] > 0.6 else _INK
            pen.text(centre, str(counts[true, predicted]), ink, _font(12), anchor="mm")
    names = [labels[i] if labels else str(i) for i in range(classes)] if named else []
    left = max((int(_font(12).getlength(name)) for name in names), default=0) + _GAP
    sheet = Image.new(
        "RGB", (max(left + cell * classes, 250) + 2 * _GAP, cell * classes + 2 * _LINE + 2 * _GAP), _PAPER
    )
    sheet.paste(matrix, (left + _GAP, _GAP + _LINE))
    pen = ImageDraw.Draw(sheet)
    pen.text((left + _GAP, _GAP), "predicted (columns, same order)", _INK, _font(12))
    for index, name in enumerate(names):
        pen.text((left, _GAP + _LINE + (index + 0.5) * cell), name, _INK, _font(12), anchor="rm")
    right = f"{np.trace(counts) / max(counts.sum(), 1):.1%} of {counts.sum()} right"
    pen.text((left + _GAP, sheet.height - _LINE), right, _INK, _font(12))
    return _packed(sheet, "Validation split: a row per true class, shaded by the share of its samples")


def _sheet(titles: Sequence[str], rows: Sequence[Sequence[Panel]], caption: str, description: str) -> Picture:
    """Arrange rows of panels of equal height under their titles, with a caption below."""
    widths = [max(row[column].width for row in rows) for column in range(len(titles))]
    height = rows[0][0].height
    size = (sum(widths) + _GAP * (len(widths) + 1), len(rows) * (height + _GAP) + 2 * _LINE + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    x = _GAP
    for column, (title, width) in enumerate(zip(titles, widths, strict=True)):
        pen.text((x, 4), title, _INK, _font(13))
        for index, row in enumerate(rows):
            sheet.paste(row[column], (x, _LINE + _GAP // 2 + index * (height + _GAP)))
        x += width + _GAP
    pen.text((_GAP, size[1] - _LINE), caption, _INK, _font(12))
    return _packed(sheet, description)


def _packed(sheet: Panel, description: str) -> Picture:
    file = io.BytesIO()
    sheet.save(file, "PNG", compress_level=3)
    return Picture(file.getvalue(), sheet.width, sheet.height, description)


def _image(colours: np.ndarray, side: int = _SIDE) -> Panel:
    """Draw colours (H, W, 3) as a panel whose longer side is `side`, with sharp pixels."""
    scale = side / max(colours.shape[:2])
    size = max(1, round(colours.shape[1] * scale)), max(1, round(colours.shape[0] * scale))
    return Image.fromarray(colours.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)


def _plot(lines: Sequence[tuple[np.ndarray, Colour]], background: np.ndarray | None = None) -> Panel:
    """Plot sequences on one scale as a panel, over colours (1, L, 3); skip NaN."""
    scale = 2  # drawn larger, then reduced: smooth lines
    width, height = scale * _LENGTH, scale * _HEIGHT
    panel = Image.new("RGB", (width, height), (247, 248, 250))
    if background is not None:
        light = (255 - 0.55 * (255 - background)).astype(np.uint8)
        panel = Image.fromarray(light).resize((width, height), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(panel)
    low, high = _limits(np.concatenate([values for values, _ in lines]), 0)
    for values, colour in lines:
        x = np.linspace(scale, width - scale, len(values))
        y = height * (0.95 - 0.9 * (values - low) / ((high - low) or 1.0))
        for start, stop in _runs(np.isfinite(values)):
            if stop - start > 1:
                points = np.stack([x[start:stop], y[start:stop]], axis=1).ravel().tolist()
                pen.line(points, colour, width=scale, joint=None)
    return panel.resize((_LENGTH, _HEIGHT), Image.Resampling.BOX)


def _spliced(target: np.ndarray, mixed: np.ndarray, came: np.ndarray) -> Panel:
    """Plot a mixed sequence, each side in its own colour and on its own scale."""
    values, foreign = mixed[0].copy(), came[0]
    low, high = _limits(target, 0)
    if foreign.any():
        own_low, own_high = _limits(values[foreign], 0)
        values[foreign] = low + (values[foreign] - own_low) / ((own_high - own_low) or 1.0) * (high - low)
    return _plot([(np.where(foreign, np.nan, values), _TARGET), (np.where(foreign, values, np.nan), _SOURCE)])


def _runs(mask: np.ndarray) -> np.ndarray:
    """Return (start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return edges.reshape(-1, 2)


def _stretched(grid: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Stretch values per patch (G, G') to values per pixel (H, W)."""
    return grid.repeat(shape[0] // grid.shape[0], axis=0).repeat(shape[1] // grid.shape[1], axis=1)


def _limits(values: np.ndarray, tail: float = 1.0) -> tuple[float, float]:
    """Return the range of finite values without `tail` percent at either end; (0, 1) if there are none."""
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [tail, 100 - tail]) if finite.size else (0.0, 1.0)
    return float(low), float(high)


def _coloured(values: np.ndarray, limits: tuple[float, float], ramp: str) -> np.ndarray:
    """Map values (H, W) to colours (H, W, 3) float; NaN is grey."""
    low, high = limits
    stops = np.asarray(_RAMPS[ramp], dtype=np.float32)
    table = np.stack(
        [np.interp(np.linspace(0, len(stops) - 1, _SHADES), np.arange(len(stops)), c) for c in stops.T], axis=1
    )
    shares = ((np.nan_to_num(values) - low) / ((high - low) or 1.0)).clip(0, 1)
    colours = table[(shares * (_SHADES - 1)).round().astype(int)]
    return np.where(np.isfinite(values)[..., None], colours, 200.0)


def _font(size: int) -> Any:
    return ImageFont.load_default(size)

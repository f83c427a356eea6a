import csv
import io
import json
import wave
import zipfile

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from pare.data import store
from pare.data.task import Split
from pare.errors import DataError, RequestError
from pare.tasks.nas360.fsd50k import logmel
from pare.tasks.nas360.fsd50k.task import TASK, one_minus_map

RNG = np.random.default_rng(0)
LABELS = {f"Label, {number}".replace(", ", "_"): number for number in range(200)}


def _quiet(done, total):
    pass


def _wav(audio, rate=22050):
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, rate, len(audio), "NONE", ""))
        file.writeframes((np.asarray(audio) * 32767).astype("<i2").tobytes())
    return content.getvalue()


def _table(rows):
    content = io.StringIO()
    csv.writer(content).writerows([("files", "labels", "ext"), *rows])
    return content.getvalue()


AUDIO = {name: RNG.normal(0, 0.1, 22050) for name in ("a0", "a1", "b0", "v0", "e0", "e1")}


def _official(folder, **changes):
    """Clips a of two seconds (not next to each other in the table) and b to train on, v to validate, e to test."""
    files = {
        "chunks/lbl_map.json": json.dumps(LABELS),
        "chunks/tr.csv": _table(
            [("tr/a_0.wav", "Label_3,Label_5", 7), ("tr/b_0.wav", "Label_5", 9), ("tr/a_1.wav", "Label_3,Label_5", 7)]
        ),
        "chunks/val.csv": _table([("/elsewhere/chunks/val/a_0.wav", "Label_0", 8)]),
        "chunks/eval.csv": _table([("eval/e_0.wav", "Label_199", 1), ("eval/e_1.wav", "Label_199", 1)]),
        "chunks/tr/a_0.wav": _wav(AUDIO["a0"]),
        "chunks/tr/a_1.wav": _wav(AUDIO["a1"]),
        "chunks/tr/b_0.wav": _wav(AUDIO["b0"]),
        "chunks/val/a_0.wav": _wav(AUDIO["v0"]),
        "chunks/eval/e_0.wav": _wav(AUDIO["e0"]),
        "chunks/eval/e_1.wav": _wav(AUDIO["e1"][:8000]),
        "noise_22050/n.wav": _wav(RNG.normal(0, 0.1, 60000)),
    } | changes
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "audio.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"audio/{name}", content)
    return folder


def _read(folder):
    raw = TASK.read(folder, _quiet)
    return {name: list(getattr(raw, name)) for name in ("train", "val", "test")}


def _features(audio):
    return TASK.encode((np.asarray(audio)[None] * 32767).astype(np.int16))[0]


def test_clips_come_together_with_their_labels(tmp_path):
    splits = _read(_official(tmp_path))
    assert {name: chunk.group.tolist() for name, (chunk,) in splits.items()} == {
        "train": [0, 0, 1],
        "val": [2],
        "test": [3, 3],
    }
    assert [np.flatnonzero(y).tolist() for y in splits["train"][0].y] == [[3, 5], [3, 5], [5]]


def test_seconds_to_judge_by_are_spectrograms_of_the_very_audio(tmp_path):
    splits = _read(_official(tmp_path))
    for name, audio in (("val", AUDIO["v0"]), ("test", AUDIO["e0"])):
        np.testing.assert_allclose(splits[name][0].x[0], _features(audio), rtol=1e-3, atol=1e-2)


def test_a_shorter_chunk_is_repeated(tmp_path):
    (test,) = _read(_official(tmp_path))["test"]
    repeated = np.resize(AUDIO["e1"][:8000], 22050)
    np.testing.assert_allclose(test.x[1], _features(repeated), rtol=1e-3, atol=1e-2)


def test_inputs_are_padded_by_a_column_of_zeros(tmp_path):
    (val,) = _read(_official(tmp_path))["val"]
    assert val.x.shape == (1, 1, 96, 102)
    assert not val.x[..., 101].any()
    assert np.abs(val.x[..., :101].astype(np.float32).mean()) < 0.01


def test_noise_is_mixed_into_three_of_four_training_seconds(tmp_path):
    rows = [("tr/a_0.wav", "Label_3", clip) for clip in range(400)]
    # The spectrogram of silence is 0, so that what is left is the second's own share of the mixture.
    silence = _wav(np.zeros(60000))
    train = _read(_official(tmp_path, **{"chunks/tr.csv": _table(rows), "noise_22050/n.wav": silence}))["train"]
    clean = _features(AUDIO["a0"])
    x = np.concatenate([chunk.x for chunk in train]).astype(np.float32)
    shares = np.array([np.vdot(each, clean) / np.vdot(clean, clean) for each in x])
    assert 0.2 < (shares > 0.9995).mean() < 0.3
    assert 0.5 <= shares.min() < 0.52
    assert 0.7 < shares[shares < 0.9995].mean() < 0.8


def test_an_unpacked_archive_reads_the_same(tmp_path):
    raw = _official(tmp_path / "a" / "fsd50k" / "raw")
    with zipfile.ZipFile(raw / "audio.zip") as archive:
        archive.extractall(tmp_path / "b" / "fsd50k" / "raw")
    one, other = (store.prepare(TASK, tmp_path / name, "laptop", _quiet) for name in "ab")
    for name in one.counts:
        np.testing.assert_array_equal(one.split(name).x, other.split(name).x)
    assert other.provenance == "real"
    assert one.classes["train"][5] == 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"chunks/lbl_map.json": "[1]"}, "number 200 labels"),
        ({"chunks/lbl_map.json": "{"}, "no JSON"),
        ({"chunks/lbl_map.json": json.dumps({"a": "b", "c": 3})}, "number 200 labels"),
        ({"chunks/tr.csv": _table([("tr/a_0.wav", "Label_999", 7)])}, "known labels"),
        ({"chunks/tr.csv": "a;b\n1;2\n"}, "no table of files"),
        ({"chunks/tr.csv": _table([("tr/c_0.wav", "Label_3", 7)])}, "0 files for 'tr/c_0.wav'"),
        ({"chunks/tr.csv": _table([("a_0.wav", "Label_3", 7)])}, "2 files for 'a_0.wav'"),
        ({"chunks/val/a_0.wav": b"RIFF"}, "no whole WAV file"),
        ({"chunks/val/a_0.wav": _wav([])}, "expected"),
        ({"chunks/val/a_0.wav": _wav(AUDIO["a0"], rate=44100)}, "44100"),
    ],
)
def test_malformed_files_are_named(tmp_path, changes, expected):
    with pytest.raises(DataError, match=expected) as error:
        _read(_official(tmp_path, **changes))
    assert str(tmp_path / "audio.zip") in str(error.value)
    assert "\n" not in str(error.value)


def test_an_archive_without_noise_is_refused(tmp_path):
    _official(tmp_path)
    with zipfile.ZipFile(tmp_path / "audio.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist() if "noise" not in name}
    with zipfile.ZipFile(tmp_path / "audio.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match="noise_22050"):
        TASK.read(tmp_path, _quiet)


def test_a_clip_is_judged_by_the_mean_of_its_seconds():
    groups = np.array([4, 4, 4, 6, 7, 7])
    logits = RNG.normal(size=(6, 200)).astype(np.float32)
    clips = (RNG.random((3, 200)) < 0.5).astype(np.float32)
    clips[:, 50:] = 0
    split = Split(logits, clips[[0, 0, 0, 1, 2, 2]], groups)
    means = np.stack([logits[:3].mean(0), logits[3], logits[4:].mean(0)])
    occurs = clips.any(0)
    expected = 1 - average_precision_score(clips[:, occurs], means[:, occurs], average="macro")
    assert TASK.score(TASK.metric, logits, split) == pytest.approx(expected)


def test_labels_that_never_occur_do_not_count():
    y = np.zeros((4, 200), np.float32)
    y[:2, 3] = 1
    logits = np.zeros((4, 200))
    logits[:, 3] = [4, 1, 2, 3]
    assert one_minus_map(logits, y) == pytest.approx(1 - (1 + 2 / 4) / 2)


def test_present_labels_weigh_ten_times_in_the_loss():
    logits, y = torch.zeros(2, 200), torch.zeros(2, 200)
    y[1, :100] = 1
    assert (TASK.criterion(logits, y) / np.log(2)).tolist() == pytest.approx([1, 5.5])


def test_masks_are_as_wide_and_as_frequent_as_published():
    x = RNG.normal(size=(2000, 1, 96, 102)).astype(np.float16)
    x[..., 101] = 0
    masked, _ = TASK.augment(x.copy(), np.zeros((2000, 200)), RNG.integers(0, 2**63, 2000).astype(np.uint64))
    changed = (masked != x)[:, 0, :, :101]
    least = x[..., :101].min((1, 2, 3))
    assert all((masked[n, 0, :, :101][changed[n]] == least[n]).all() for n in range(50))
    assert 0.45 < changed.any((1, 2)).mean() < 0.52
    bands, frames = (changed.mean(axis) > 0.95 for axis in (2, 1))
    assert bands.sum(1).max() <= 2 * int(0.15 * 96)
    assert frames.sum(1).max() <= 2 * int(0.2 * 101)
    assert bands.sum(1).max() > 15
    assert not masked[..., 101].any()


@pytest.mark.parametrize(
    "audio", [np.zeros((2, 22049)), np.zeros((2, 22050), dtype=np.int32), np.full((2, 22050), 1.5), np.zeros(22050)]
)
def test_other_arrays_are_no_audio(audio):
    with pytest.raises(RequestError, match="audio"):
        TASK.encode(audio)


def test_whole_numbers_and_floats_encode_alike():
    audio = (AUDIO["a0"] * 32768).astype(np.int16)
    np.testing.assert_allclose(TASK.encode(audio[None]), TASK.encode(audio[None] / 32768), atol=1e-4)
    assert TASK.encode(audio[None]).shape == (1, 1, logmel.BANDS, 102)

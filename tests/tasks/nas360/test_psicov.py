import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from pare.data import store
from pare.errors import DataError, RequestError
from pare.tasks.nas360.psicov.proteins import place
from pare.tasks.nas360.psicov.task import TASK, mae_8

RNG = np.random.default_rng(0)
KEYS = ("ccmpred", "freecon", "potential")


def _quiet(done, total):
    pass


def _features(length):
    return {
        "seq": "A" * length,
        "ss": RNG.random((3, length)),
        "pssm": RNG.normal(size=(length, 22)),
        "sa": RNG.random(length),
        "entropy": RNG.random(length),
        **{key: RNG.normal(size=(length, length)) for key in KEYS},
    }


def _distance(length):
    distance = RNG.uniform(0, 40, (length, length))
    return distance + distance.T


def _official(folder, lengths=(30, 40, 50, 20), **changes):
    """Three proteins of DeepCov and one of PSICOV; returns their features and distances."""
    ids = [f"{number}abcA" for number in range(len(lengths))]
    content = {each: (_features(length), _distance(length)) for each, length in zip(ids, lengths, strict=True)}
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "protein.zip", "w") as archive:
        for group, own in (("deepcov", ids[:-1]), ("psicov", ids[-1:])):
            archive.writestr(f"protein/{group}.lst", "\n".join(f"{each} X-ray" for each in own))
            for each in own:
                features, distance = content[each]
                record = np.empty(3, dtype=object)
                record[:] = len(distance), features["seq"], distance
                file = io.BytesIO()
                np.save(file, record, allow_pickle=True)
                files = {f"features/{each}.pkl": pickle.dumps(features), f"distance/{each}-cb.npy": file.getvalue()}
                for name, data in (files | {k: v for k, v in changes.items() if k in files}).items():
                    archive.writestr(f"protein/{group}/{name}", data)
    return list(content.values())


def _read(folder):
    raw = TASK.read(folder, _quiet)
    splits = {name: list(getattr(raw, name)) for name in ("train", "val", "test")}
    return splits, raw.statistics


def _channels(features):
    """The 57 maps (57, l, l), built one by one."""
    profiles = [*features["ss"], *features["pssm"].T, features["sa"], features["entropy"]]
    maps = []
    for profile in profiles:
        rows = np.repeat(profile[None], len(profile), axis=0)
        maps += [rows, rows.T]
    return np.stack([*maps, *(features[key] for key in KEYS)])


def test_channels_are_the_benchmarks(tmp_path):
    content = _official(tmp_path)
    splits, _ = _read(tmp_path)
    for (features, _), x in zip(content[1:3], TASK.assemble(splits["train"][0].x), strict=True):
        expected = np.zeros((57, 512, 512))
        length = len(features["seq"])
        expected[:, 5 : 5 + length, 5 : 5 + length] = _channels(features)
        np.testing.assert_allclose(x, expected, rtol=1e-3, atol=1e-6)


def test_a_models_user_gets_the_same_inputs(tmp_path):
    content = _official(tmp_path)
    (val,) = _read(tmp_path)[0]["val"]
    np.testing.assert_array_equal(TASK.encode(_channels(content[0][0])[None]), TASK.assemble(val.x))


def test_distances_are_the_benchmarks(tmp_path):
    distance = _official(tmp_path)[1][1]
    y = _read(tmp_path)[0]["train"][0].y[0]
    expected = np.maximum(distance, 1)
    expected[0, 0], expected[-1, -1] = expected[0, 1], expected[-1, -2]
    for q in range(1, 39):
        expected[q, q] = (expected[q, q - 1] + expected[q, q + 1]) / 2
    np.testing.assert_allclose(y[5:45, 5:45], expected, rtol=1e-6)
    y[5:45, 5:45] = 100
    assert (y == 100).all()


def test_splits_are_the_head_of_deepcov_its_rest_and_psicov(tmp_path):
    _official(tmp_path)
    splits, _ = _read(tmp_path)
    assert {name: [len(chunk) for chunk in chunks] for name, chunks in splits.items()} == {
        "train": [2],
        "val": [1],
        "test": [1],
    }
    assert {name: chunks[0].group.tolist() for name, chunks in splits.items()} == {
        "train": [1, 2],
        "val": [0],
        "test": [3],
    }


def test_statistics_are_of_what_lies_inside_training_proteins(tmp_path):
    content = _official(tmp_path)
    splits, statistics = _read(tmp_path)
    ss = np.concatenate([features["ss"][1] for features, _ in content[1:3]])
    assert statistics["input_mean"][2:4, 0, 0] == pytest.approx([ss.mean()] * 2, rel=1e-3)
    assert statistics["input_std"][2:4, 0, 0] == pytest.approx([ss.std()] * 2, rel=1e-3)
    potential = np.concatenate([features["potential"].ravel() for features, _ in content[1:3]])
    assert statistics["input_std"][56] == pytest.approx(potential.std(), rel=1e-3)
    y = np.minimum(splits["train"][0].y, 16)
    assert (statistics["output_mean"], statistics["output_std"]) == pytest.approx((y.mean(), y.std()), rel=1e-4)


def test_longer_proteins_keep_their_first_residues(tmp_path):
    content = _official(tmp_path, lengths=(30, 510, 20))
    (train,) = _read(tmp_path)[0]["train"]
    np.testing.assert_allclose(train.y[0, 5:507, 5:507][0, 1:], content[1][1][0, 1:502].clip(1), rtol=1e-6)
    assert (train.y[0, 507:] == 100).all()
    assert train.x[0, -1].tolist() == [0] * 5 + [1] * 502 + [0] * 5


def test_training_does_not_tell_far_distances_apart():
    y = torch.tensor([[[4.0, 100.0], [17.0, 8.0]]])
    assert float(TASK.criterion(torch.full((1, 2, 2), 16.0), y)) == pytest.approx((12**2 + 8**2) / 4)


def test_metric_is_spelled_out():
    y = np.full((3, 512, 512), 100.0, np.float32)
    for number, length in enumerate((40, 60)):
        y[number, 5 : 5 + length, 5 : 5 + length] = RNG.uniform(4, 12, (length, length))
    p = RNG.uniform(-2, 12, y.shape).astype(np.float32)
    errors = []
    for number, length in enumerate((40, 60)):
        own = [
            abs(max((p[number, i, j] + p[number, j, i]) / 2, 0.01) - y[number, i, j])
            for i in range(5, 5 + length)
            for j in range(i + 24, 5 + length)
            if y[number, i, j] <= 8
        ]
        errors.append(np.mean(own))
    assert mae_8(p, y) == pytest.approx(np.mean(errors), rel=1e-5), "the third protein has no such pair"


def test_the_best_constant_is_the_mean_of_clipped_distances():
    y = RNG.uniform(0, 100, (3, 512, 512)).astype(np.float32)
    np.testing.assert_allclose(TASK.constant(y), np.minimum(y, 16).mean(0), rtol=1e-5)


class _Harm:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("features/1abcA.pkl", pickle.dumps(_Harm()), "refused"),
        ("features/1abcA.pkl", pickle.dumps({"seq": "AAA"}), "expected a protein's"),
        ("features/1abcA.pkl", pickle.dumps(_features(40) | {"sa": np.zeros(39)}), "expected a protein's"),
        ("features/1abcA.pkl", pickle.dumps(_features(40) | {"ss": np.full((3, 40), np.nan)}), "finite"),
        ("features/1abcA.pkl", pickle.dumps(_features(41)), "41 residues"),
        ("distance/1abcA-cb.npy", b"\x93NUMPY", "whole"),
    ],
)
def test_malformed_files_are_named(tmp_path, name, data, expected):
    _official(tmp_path, **{name: data})
    with pytest.raises(DataError, match=expected) as error:
        _read(tmp_path)
    assert str(tmp_path / "protein.zip") in str(error.value)
    assert "\n" not in str(error.value)
    assert not os.path.exists("harm")  # noqa: PTH110


def test_an_unpacked_archive_reads_the_same(tmp_path):
    _official(tmp_path / "a" / "psicov" / "raw")
    with zipfile.ZipFile(tmp_path / "a" / "psicov" / "raw" / "protein.zip") as archive:
        archive.extractall(tmp_path / "b" / "psicov" / "raw")
    one, other = (store.prepare(TASK, tmp_path / name, "laptop", _quiet) for name in "ab")
    np.testing.assert_array_equal(one.split("train").x, other.split("train").x)
    assert other.provenance == "real"


def test_too_long_maps_are_refused():
    with pytest.raises(RequestError, match="l ≤ 502"):
        TASK.encode(np.zeros((1, 57, 503, 503)))


def test_rows_hold_a_protein_once():
    rows = place(RNG.normal(size=(2, 3, 20, 20)), RNG.normal(size=(2, 27, 20)))
    assert rows.shape == (2, 3 * 512 + 28, 512)
    assert rows.nbytes * 18 < TASK.assemble(rows).nbytes / 2

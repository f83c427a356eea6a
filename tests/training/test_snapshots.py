"""Snapshots of a run are true to what it does, small, and leave no trace in the training."""

import numpy as np
import pytest
import torch
from safetensors import safe_open

from pare import tasks
from pare.data import store
from pare.method.curriculum import patches, share
from pare.training import loop
from pare.training.loop import train
from pare.training.snapshots import SAMPLES, Inspector, due


def arrays(report):
    return {name.removeprefix("pictures/"): value for name, value in report.items() if name.startswith("pictures/")}


def follow(run, root, folder):
    reports = []
    trained = train(run, root, folder, lambda figures: reports.append(dict(figures)) or True)
    return trained, reports


@pytest.fixture(scope="module")
def seen(make_run, root, tmp_path_factory):
    """The reports of four epochs, by task and method."""
    done = {}

    def see(task, method="pare", **settings):
        key = (task, method, *settings.items())
        if key not in done:
            run = make_run(task, method=method, epochs=4, **settings)
            done[key] = run, follow(run, root, tmp_path_factory.mktemp(task))[1]
        return done[key]

    return see


def test_looks_at_the_first_epoch_a_third_and_the_last():
    assert [epoch for epoch in range(1, 11) if due(epoch, 10)] == [1, 3, 10]
    assert [epoch for epoch in range(1, 3) if due(epoch, 2)] == [1, 2]
    assert due(1, 1)


@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_only_a_few_reports_carry_arrays_and_small_ones(task, seen):
    _, reports = seen(task)
    assert [bool(arrays(report)) for report in reports] == [True, False, False, True]
    assert sum(array.nbytes for array in arrays(reports[0]).values()) < 200_000


@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_the_mixture_is_source_where_patches_are_replaced_and_target_elsewhere(task, seen):
    run, reports = seen(task)
    shown = arrays(reports[0])
    assert shown["input"].shape == shown["mixed"].shape
    assert len(shown["input"]) == SAMPLES
    came = shown["replaced"]
    cells = [a // b for a, b in zip(shown["mixed"].shape[1:], came.shape[1:], strict=True)]
    pixels = came.repeat(cells[0], axis=1).repeat(cells[1], axis=2)
    assert np.array_equal(shown["mixed"][~pixels], shown["input"][~pixels])
    for mixed, source, mask in zip(shown["mixed"], shown["source"], pixels, strict=True):
        assert set(mixed[mask].tolist()) <= set(source.ravel().tolist())
    # As many as the curriculum says at the last step of the first epoch; the lowest-scored of the target.
    steps = round(reports[0]["samples"] / run.optimizer.batch)
    k = patches(share(run.curriculum, (steps - 1) / (4 * steps)), came[0].size, shown["source_scores"][0].size)
    assert came.reshape(SAMPLES, -1).sum(1).tolist() == [k] * SAMPLES
    for scores, mask in zip(shown["scores"], came, strict=True):
        assert scores[mask].max() <= scores[~mask].min()


def test_the_same_samples_are_seen_in_every_epoch_and_trial(seen):
    _, reports = seen("darcy")
    _, others = seen("darcy", "nft")
    first, last, other = arrays(reports[0]), arrays(reports[-1]), arrays(others[0])
    for name in ("input", "source", "truth"):
        assert np.array_equal(first[name], last[name])
    assert np.array_equal(first["truth"], other["truth"])
    assert not np.array_equal(first["prediction"], last["prediction"])


def test_a_method_without_replacement_shows_no_mixture(seen):
    _, reports = seen("darcy", "nft")
    assert set(arrays(reports[0])) == {"input", "truth", "prediction"}


def test_confusion_counts_the_whole_validation_split(seen, root):
    run, reports = seen("ecg", "nft")
    y = np.array(store.load(root, run.data).split("val").y)
    confusion = arrays(reports[-1])["confusion"]
    assert confusion.sum(1).tolist() == np.bincount(y, minlength=4).tolist()


def test_a_fully_fallen_curriculum_replaces_nothing(seen):
    _, reports = seen("ecg", **{"curriculum.end": 0.0, "curriculum.until": 0.5})
    assert not arrays(reports[-1])["replaced"].any()


def test_logits_of_a_mask_are_shown_as_probabilities(make_run, root):
    task = tasks.get("darcy")
    split = store.load(root, make_run("darcy").data).split("val")
    mask = type(split)(split.x, np.stack([split.y > 0.5, split.y < 0], axis=1).astype(np.float32), split.group)
    inspector = Inspector(task, mask, tasks.get("fractals"), None)
    shown = inspector._fields(np.full((SAMPLES, 85, 85), -30.0))
    assert shown["prediction"].max() < 1e-9
    assert set(np.unique(shown["truth"])) <= {0.0, 1.0}


@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_looking_changes_nothing(task, make_run, root, tmp_path, monkeypatch):
    run = make_run(task, epochs=2)
    watched, _ = follow(run, root, tmp_path / "watched")
    monkeypatch.setattr(loop, "due", lambda *_: False)
    alone, reports = follow(run, root, tmp_path / "alone")
    assert not arrays(reports[0])
    for a, b in zip(watched.model.state_dict().values(), alone.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_checkpoints_hold_no_pictures(make_run, root, tmp_path):
    follow(make_run("ecg", epochs=1), root, tmp_path)
    (path,) = tmp_path.glob("*.safetensors")
    with safe_open(path, framework="pt") as file:
        assert "pictures" not in file.metadata()["report"]

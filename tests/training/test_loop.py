"""The loop on the small official files: it learns, it stops, it goes on bit for bit."""

import math

import pytest
import torch

from pare import tasks
from pare.data import store
from pare.errors import Preempted, Stopped, TrainingError
from pare.method import methods
from pare.training.distributed import DistributedContext
from pare.training.evaluate import evaluate, predict
from pare.training.loop import train

TASKS = ("ecg", "darcy")


def follow(run, root, folder, stop_after=None):
    """Train and return (trained, reports); stops after an epoch if told to."""
    reports = []

    def report(figures):
        reports.append(dict(figures))
        return figures["epoch"] != stop_after

    try:
        return train(run, root, folder, report), reports
    except Stopped:
        return None, reports


def timeless(reports):
    """Reports without what no two runs have in common, and without pictures, which are not repeated."""
    own = ("seconds", "samples_per_second", "memory")
    return [{k: v for k, v in r.items() if k not in own and not k.startswith("pictures/")} for r in reports]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", ["pare", "nft", "orca", "cutmix", "pare-random"])
def test_interrupted_and_resumed_equals_uninterrupted(task, method, make_run, root, tmp_path):
    # Noise ends and the curriculum reaches 0 within these epochs.
    settings = {"curriculum.end": 0.0, "curriculum.until": 0.7, "gate.noise_until": 0.5, "alignment.steps": 5}
    if method == "pare-random":
        settings |= {"mix_share": 0.5, "optimizer.accumulate": 2}
    run = make_run(task, method=method, epochs=3, **settings)
    whole, expected = follow(run, root, tmp_path / "whole")
    _, first = follow(run, root, tmp_path / "cut", stop_after=2)
    resumed, second = follow(run, root, tmp_path / "cut")
    assert timeless(first) == timeless(expected[:2])
    assert timeless(second) == timeless(expected[1:]), "the last report is repeated, then the run goes on"
    for a, b in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("method", ["pare", "orca"])
@pytest.mark.parametrize("updates", [1, 4])
def test_a_run_that_must_go_goes_on_elsewhere_as_if_it_had_not(updates, method, make_run, root, tmp_path):
    settings = {"gate.noise_until": 0.5, "alignment.steps": 5, "tuning.drop_path": 0.3, "optimizer.batch": 6}
    run = make_run("darcy", method=method, epochs=2, **settings)
    whole, expected = follow(run, root, tmp_path / "whole")
    asked = iter(range(99))
    heard = []
    with pytest.raises(Preempted):
        train(
            run, root, tmp_path / "cut", lambda figures: heard.append(figures) or True, lambda: next(asked) == updates
        )
    assert len(list((tmp_path / "cut").glob("*-step-*"))) == 1, "it was in the middle of an epoch"
    resumed, reports = follow(run, root, tmp_path / "cut")
    assert timeless(heard + reports)[-2:] == timeless(expected)
    for a, b in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_adapters_resume_and_leave_an_ordinary_model(make_run, root, tmp_path):
    run = make_run("ecg", method="nft", epochs=3, **{"tuning.body": "lora", "tuning.lora_rank": 2})
    whole, _ = follow(run, root, tmp_path / "whole")
    follow(run, root, tmp_path / "cut", stop_after=1)
    resumed, _ = follow(run, root, tmp_path / "cut")
    assert not [name for name in whole.model.state_dict() if "lora" in name]
    for a, b in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_drop_path_resumes_bit_for_bit_too(make_run, root, tmp_path):
    run = make_run("darcy", method="nft", epochs=2, **{"tuning.drop_path": 0.3})
    whole, _ = follow(run, root, tmp_path / "whole")
    follow(run, root, tmp_path / "cut", stop_after=1)
    resumed, _ = follow(run, root, tmp_path / "cut")
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("task", TASKS)
def test_learns_and_keeps_its_best_epoch(task, make_run, root, tmp_path):
    run = make_run(task, method="nft", epochs=6)
    trained, reports = follow(run, root, tmp_path)
    losses = [r["loss"] for r in reports]
    assert losses[-1] < losses[0]
    metric = tasks.get(task).metric
    values = [r["val_metric"] for r in reports]
    pick = min if metric.direction == "minimize" else max
    assert trained.best == (values.index(pick(values)) + 1, pick(values))
    assert reports[-1]["objective"] == trained.best.metric
    data = store.load(root, run.data)
    split = data.split("val")
    _, again = evaluate(
        tasks.get(task), predict(trained.model, tasks.get(task), split.x, DistributedContext.current()), split
    )
    assert again == pytest.approx(trained.best.metric, rel=1e-6)


def test_reports_what_the_curriculum_does(make_run, root, tmp_path):
    run = make_run("ecg", epochs=4, **{"curriculum.start": 0.8, "curriculum.end": 0.0, "curriculum.until": 0.75})
    _, reports = follow(run, root, tmp_path)
    shares = [r["replaced"] for r in reports]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.5
    assert shares[-1] == 0
    assert [r["lambda"] for r in reports] == pytest.approx(shares), "a threshold of 0 lets every patch in"
    assert all(0 < reports[0][name] < 1 for name in ("gate_mean", "gate_spread"))


def test_figures_of_the_mixed_samples_are_means_over_them(make_run, root, tmp_path):
    """A source head at 0 that hardly moves: its loss is chance's whether all, half or few samples are mixed."""
    still = {"init.heads": 0.0, "optimizer.warmup": 0.9, "optimizer.decay_until": 2.0}
    still |= {f"optimizer.lr.{group}": 1e-9 for group in ("embedder", "body", "gate", "heads")}
    for name, changes, mixed in (
        ("all", {}, 1.0),
        ("half", {"mix_share": 0.5}, 0.5),
        ("early", {"curriculum.end": 0.0, "curriculum.until": 0.3}, None),
    ):
        _, (report,) = follow(make_run("ecg", epochs=1, **still, **changes), root, tmp_path / name)
        assert report["loss_source"] == pytest.approx(math.log(64), rel=1e-4), name
        assert 0 < report["gate_mean"] < 1
        assert report["mixed"] == mixed if mixed else 0.1 < report["mixed"] < 0.5


def test_threshold_lowers_lambda_below_the_share(make_run, root, tmp_path):
    run = make_run("ecg", epochs=1, **{"gate.threshold": 0.5, "curriculum.start": 0.9})
    _, (report,) = follow(run, root, tmp_path)
    assert 0 < report["lambda"] < report["replaced"]


def test_accumulation_is_a_mean(make_run, root, tmp_path):
    once = follow(make_run("ecg", epochs=1), root, tmp_path / "1")[1][0]
    parts = follow(make_run("ecg", epochs=1, **{"optimizer.accumulate": 4}), root, tmp_path / "4")[1][0]
    for name in ("loss", "loss_source", "lambda", "gate_mean", "val_loss"):
        assert parts[name] == pytest.approx(once[name], rel=2e-3), name


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_loss_that_is_no_number_fails_the_run(make_run, root, tmp_path, monkeypatch):
    build = methods.build

    def poisoned(*args):
        objective = build(*args)
        objective.model.head.linear.bias.data.fill_(math.nan)
        return objective

    monkeypatch.setattr(methods, "build", poisoned)
    with pytest.raises(TrainingError, match="the loss became nan in epoch 1"):
        follow(make_run("ecg", method="nft"), root, tmp_path)


def test_clipping_bounds_the_update(make_run, root, tmp_path):
    still = {"optimizer.name": "sgd", "optimizer.momentum": 0.0, "optimizer.weight_decay": 0.0, "optimizer.clip": 1e-9}
    trained, _ = follow(make_run("ecg", method="nft", epochs=1, **still), root, tmp_path)
    torch.manual_seed(0)
    run = make_run("ecg", method="nft")
    task, data = tasks.get("ecg"), store.load(root, run.data)
    fresh = methods.build(run, task, task.criterion, data.statistics, tasks.get("signals"), {})
    for a, b in zip(trained.model.parameters(), fresh.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_bf16_runs_where_asked_for(make_run, root, tmp_path):
    trained, (report,) = follow(make_run("ecg", method="nft", epochs=1, precision="bf16"), root, tmp_path)
    assert math.isfinite(report["loss"])
    assert all(p.dtype == torch.float32 for p in trained.model.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize(("precision", "compiled"), [("fp32", False), ("bf16", False), ("bf16", True)])
@pytest.mark.parametrize("task", TASKS)
def test_runs_on_a_gpu(task, make_run, root, tmp_path, precision, compiled):
    run = make_run(task, epochs=2, precision=precision, compile=compiled)
    trained, reports = follow(run, root, tmp_path)
    assert next(trained.model.parameters()).is_cuda
    assert reports[1]["loss"] < reports[0]["loss"]

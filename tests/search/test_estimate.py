"""A plan is arithmetic on measured epochs; the measuring itself runs in tests/sweeps and tests/training."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from pare.search import estimate
from pare.search.cluster.connection import Slots
from pare.training.estimate_cost import MeasuredCost
from pare.training.workers import Workers


@pytest.mark.parametrize(
    ("trials", "epochs", "scheduler", "fewest"),
    [
        (9, 9, "none", 81),
        (9, 9, "median", 40.5),
        (16, 9, "asha", 16 + 4 * 3 + 1 * 5),
        (64, 9, "asha", 64 + 16 * 3 + 4 * 5),
        (27, 9, "hyperband", 27 + 9 * 2 + 3 * 6),
        (1, 10, "asha", 10),
        (9, 1, "hyperband", 9),
        (8, 2, "asha", 8 + 2),
    ],
)
def test_fewest_epochs_of_a_search(trials, epochs, scheduler, fewest):
    assert estimate.fewest_epochs(trials, epochs, scheduler) == pytest.approx(fewest)


def a_plan(methods, epochs=9, seeds=2):
    study = SimpleNamespace(methods=("pare", "nft"), pending_methods=lambda _: methods, epochs=epochs)
    return SimpleNamespace(
        task=SimpleNamespace(name="ecg"), data=SimpleNamespace(provenance="simulated"), study=study, seeds=range(seeds)
    )


SLOTS = Slots(Workers(count=2, cpus=1.0, gpus=0.5), concurrent=4)
COSTS = {("ecg", "pare"): MeasuredCost(50.0, 22.0), ("ecg", "nft"): MeasuredCost(30.0, 6.0)}


def test_from_seconds_to_hours_gpu_hours_and_dollars():
    (one,) = estimate.estimate([a_plan(["pare"] * 9 + ["nft"])], COSTS, SLOTS, "none", price=3.0)
    # Two workers share an epoch. Four of pare's race on the first seed, two on the second, where the published one may
    # run alone; nft's only trial is confirmed.
    seconds = 36.0 * (81 + 9 * (4 + 2 + 1)) + 18.0 * (9 + 18)
    assert one.trials == 10
    assert one.most.hours == pytest.approx(seconds / 3600 / 4)
    assert one.most.gpu_hours == pytest.approx(seconds / 3600 * 1.0)
    assert one.most.usd == pytest.approx(3 * seconds / 3600 / 4)
    assert one.least.hours == pytest.approx((seconds - 36.0 * 45) / 3600 / 4)


def test_pruning_widens_the_range():
    (asha,), (none,) = (estimate.estimate([a_plan(["pare"] * 9)], COSTS, SLOTS, s, price=0.0) for s in ("asha", "none"))
    assert asha.least.hours < none.least.hours
    assert asha.most == none.most


@pytest.mark.parametrize(("priced", "dollars"), [(True, "0.0"), (False, "unknown")])
def test_a_row_per_task_and_their_sum(priced, dollars):
    console = Console(file=io.StringIO(), width=80)
    console.print(estimate.table(estimate.estimate([a_plan(["pare"] * 4)], COSTS, SLOTS, "asha", price=1.0), priced))
    header, row, total = console.file.getvalue().splitlines()
    assert row.split()[:3] == ["ecg", "simulated", "4"]
    assert total.split()[:2] == ["all", "4"]
    assert dollars in row
    assert max(map(len, (header, row, total))) <= 80


def test_how_many_trials_fit_a_gpu_and_a_share_that_is_too_small():
    costs = {
        ("ecg", "pare"): MeasuredCost(1.0, 1.0, memory=5.0, capacity=79.0),
        ("ecg", "nft"): MeasuredCost(1.0, 1.0, memory=3.0, capacity=79.0),
        ("darcy", "pare"): MeasuredCost(1.0, 1.0, memory=30.0, capacity=79.0),
    }
    assert estimate.fitting(COSTS, 1.0) == [], "measured without a GPU"
    ecg, darcy = estimate.fitting(costs, 0.25)
    assert ecg == "ecg: a trial takes 5.0 of a GPU's 79.0 GiB, 15 fit one"
    assert darcy == (
        "darcy: a trial takes 30.0 of a GPU's 79.0 GiB, 2 fit one; "
        "--gpus-per-trial 0.25 is too small a share: give 0.5, or a smaller batch"
    )
    assert all("too small" not in line for line in estimate.fitting(costs, 1.0))

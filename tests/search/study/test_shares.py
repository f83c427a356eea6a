"""Who gets the next trial."""

import contextlib
import sqlite3
from itertools import pairwise

import optuna
import pytest

from pare.config import Run
from pare.search.study import space
from pare.search.study.shares import Shares
from pare.search.study.study import Study

COSTS = {"pare": 17, "nft": 10, "cutmix": 13}


def run_out(shares, trials, costs=COSTS, slots=1, failing=()):
    """Give out `trials`, `slots` at a time, which end in turn; return their methods, and what each method used."""
    given, running, used = [], [], dict.fromkeys(costs, 0)
    while len(given) < trials or running:
        while len(running) < slots and len(given) < trials:
            shares.begin(method := shares.next())
            given.append(method)
            running.append(method)
        method = running.pop(0)
        fails = method in failing
        shares.end(method, 0 if fails else costs[method], fails)
        used[method] += 0 if fails else costs[method]
    return given, used


@pytest.mark.parametrize(
    ("methods", "trials", "given"),
    [
        (("pare",), 4, ["pare", "nft", "pare", "pare"]),
        (("pare",), 1, ["pare"]),
        (("pare", "nft"), 4, ["pare", "nft", "pare", "nft"]),
        (("pare", "nft", "cutmix"), 5, ["pare", "nft", "cutmix", "pare", "nft"]),
        (("scratch", "fpt"), 5, ["scratch", "nft", "fpt", "scratch", "fpt"]),
        (("nft",), 2, ["nft", "nft"]),
    ],
)
def test_one_of_each_comes_first_and_nft_is_always_there(methods, trials, given):
    shares = Shares(methods, "trials")
    expected = shares.methods(trials)
    assert run_out(shares, trials, dict.fromkeys((*methods, "nft"), 1))[0] == given
    assert expected == shares.methods(trials) == tuple(dict.fromkeys(given))


@pytest.mark.parametrize("slots", [1, 2, 7])
def test_what_is_used_differs_by_a_trial_a_slot_at_most(slots):
    given, used = run_out(Shares(("pare", "nft", "cutmix"), "seconds"), 200, slots=slots)
    assert max(used.values()) - min(used.values()) <= 2 * max(COSTS.values())
    assert given.count("nft") > 1.5 * given.count("pare")


def test_a_method_that_always_fails_does_not_get_the_rest():
    given, _ = run_out(Shares(("pare", "nft", "cutmix"), "seconds"), 60, failing=("cutmix",))
    assert 10 <= given.count("cutmix") <= 25


def test_an_added_method_catches_up():
    shares = Shares(("pare", "nft", "orca"), "trials")
    for method in ("pare", "nft", "pare", "nft"):
        shares.begin(method)
        shares.end(method, 1)
    assert shares.methods(4) == ("pare", "nft")
    assert shares.methods(5) == ("pare", "nft", "orca")
    assert run_out(shares, 4, {"pare": 1, "nft": 1, "orca": 1})[0] == ["orca", "orca", "pare", "nft"]


def test_the_order_in_which_trials_end_changes_nothing():
    chosen = set()
    for order in ((0.1, 0.2, 0.3), (0.3, 0.2, 0.1)):
        shares = Shares(("pare", "nft"), "seconds")
        for seconds in order:
            shares.begin("pare")
            shares.end("pare", round(1000 * seconds))
        shares.begin("nft")
        shares.end("nft", 600)
        chosen.add(shares.next())
    assert chosen == {"nft"}, "both have used .6 s, and nft has had fewer trials"


@pytest.mark.parametrize("unit", ["seconds", "epochs", "trials"])
def test_a_forecast_is_what_comes_if_trials_take_what_they_took(unit):
    shares, again = (Shares(("pare", "nft", "cutmix"), unit) for _ in range(2))
    costs = COSTS if unit == "seconds" else dict.fromkeys(COSTS, 1)
    forecast = shares.forecast(12, {method: cost / 1000 for method, cost in COSTS.items()})
    assert forecast == run_out(again, 12, costs)[0]
    again.begin("pare")
    assert again.forecast(14, {})[0] == "pare", "what runs has not ended"
    assert len(again.forecast(14, {})) == 2
    assert all(one != other for one, other in pairwise(forecast[:3]))


RUN = Run(task="ecg", data="d", body="roberta-mini", source="signals", source_data="s", epochs=9, patch=20)


def search(url, trials, most=10_000, methods=("pare", "nft", "cutmix"), share="seconds"):
    """Run `most` whole trials of a study, whose epochs take `COSTS` tenths of a second; return what was asked."""
    made = space.for_run(RUN, "1d")
    study = Study("ecg", url, "minimize", RUN, made, methods, trials, 0, scheduler="none", share=share)
    asked = []
    while len(asked) < most and (trial := study.ask()) is not None:
        asked.append(trial)
        study.report(trial.number, RUN.epochs, 1 / (1 + trial.number))
        study.complete(trial.number, 1 / (1 + trial.number), RUN.epochs * COSTS[trial.method] / 10)
    return asked


@pytest.mark.parametrize("share", ["seconds", "epochs", "trials"])
def test_a_study_s_methods_have_equal_shares_and_a_resumed_one_gives_the_same(share, tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    asked = search(url, 24, share=share)
    used = dict.fromkeys(COSTS, 0.0)
    for trial in optuna.load_study(study_name="ecg", storage=url).trials:
        seconds = trial.user_attrs["seconds"]
        used[trial.user_attrs["method"]] += {"seconds": seconds, "epochs": trial.last_step, "trials": 1}[share]
    longest = {"seconds": RUN.epochs * COSTS["pare"] / 10, "epochs": RUN.epochs, "trials": 1}[share]
    assert max(used.values()) - min(used.values()) <= longest
    other = f"sqlite:///{tmp_path}/resumed.db"
    resumed = [trial for most in (2, 7, 24) for trial in search(other, 24, most, share=share)]
    assert [trial.run for trial in resumed] == [trial.run for trial in asked]


def test_an_earlier_version_s_trials_count_by_the_clock(tmp_path):
    """Its trials have no attribute of seconds, and its methods took turns, so that pare has used more."""
    search(f"sqlite:///{tmp_path}/study.db", 6, methods=("pare", "nft"), share="trials")
    with contextlib.closing(sqlite3.connect(tmp_path / "study.db")) as database:
        database.execute("delete from trial_user_attributes where key = 'seconds'")
        database.execute(
            "update trials set datetime_start = '2026-01-01 00:00:00', datetime_complete = "
            "case number % 2 when 0 then '2026-01-01 00:00:40' else '2026-01-01 00:00:20' end"
        )
        database.commit()
    asked = search(f"sqlite:///{tmp_path}/study.db", 9, methods=("pare", "nft"))
    assert [trial.method for trial in asked] == ["nft"] * 3

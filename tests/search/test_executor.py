"""Whole sweeps in this process, without Ray: what the inline executor makes of ends, failures, caps and Ctrl-C."""

import errno
from collections import Counter

import pytest
import ray

from pare.errors import RequestError, TrainingError
from pare.reporting import read
from pare.search import command, trial
from pare.search.executor import InlineExecutor
from pare.search.request import Request
from pare.training import prefetch
from sweeps import nas360

SMALL = {"tasks": "ecg", "trials": 2, "epochs": 2, "seeds": 1, "preset": "laptop", "executor": "inline"}


@pytest.fixture
def sweep(root, tmp_path):
    def run(*flags, **changes):
        options = SMALL | {"out": tmp_path / "out", "data_root": root} | changes
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        return command.main("nas360", nas360.__doc__, nas360.PRESETS, [*words, *flags])

    run.out = tmp_path / "out"
    return run


def test_a_sweep_runs_to_its_leaderboard_without_ray(sweep, capsys):
    assert sweep() == 0
    tables = read(sweep.out)
    assert list(tables.trials.trial) == ["pare-0000", "nft-0001"]
    assert set(tables.confirm.method) == {"pare", "nft"}
    assert tables.confirm.test.notna().all()
    assert (sweep.out / "ecg" / "best" / "model.safetensors").exists()
    assert not (sweep.out / "ecg" / "running").exists()
    assert "nft" in capsys.readouterr().out
    assert not ray.is_initialized()
    assert sweep(trials=3) == 0
    assert len(read(sweep.out).trials) == 3
    assert sweep("--plan") == 0
    assert not ray.is_initialized()


def test_the_winner_of_a_race_is_confirmed_as_the_race_trained_it(sweep, monkeypatch):
    trained, original, epoch = Counter(), trial.carry_out, prefetch.epoch

    def carry_out(spec, *rest):
        def counting(*arguments):
            trained[spec.id] += 1
            return epoch(*arguments)

        monkeypatch.setattr(prefetch, "epoch", counting)
        original(spec, *rest)

    monkeypatch.setattr(trial, "carry_out", carry_out)
    assert sweep("--scheduler", "none", methods="pare", trials=3) == 0
    tables = read(sweep.out)
    assert sorted(tables.race.trial) == ["race-pare-0000-1", "race-pare-0002-1"]
    (chosen,) = tables.confirm[tables.confirm.method == "pare"].itertuples()
    best = min(tables.race.itertuples(), key=lambda row: row.validation)
    assert (chosen.validation, chosen[-1]) == (best.validation, best[-1])
    assert tables.curves[tables.curves.trial == "confirm-pare-1"].epoch.tolist() == [1, 2]
    # The last epoch may be trained again: not every one is saved.
    assert trained["ecg/confirm-pare-1"] <= 1 < trained[f"ecg/{best.trial}"] == trained["ecg/confirm-nft-1"] == 2


def breaking(monkeypatch, at, error):
    """The `at`-th job raises an error after its first epoch."""
    jobs, original = [], trial.carry_out

    def carry_out(spec, should_preempt, report):
        jobs.append(spec.id)

        def broken(figures):
            go_on = report(figures)
            if len(jobs) == at:
                raise error
            return go_on

        original(spec, should_preempt, broken)

    monkeypatch.setattr(trial, "carry_out", carry_out)
    return jobs


@pytest.mark.parametrize(
    ("error", "why"),
    [(TrainingError("the loss became nan"), "the loss became nan"), (ValueError("odd"), "ValueError: odd (")],
)
def test_a_failed_trial_is_told_and_the_sweep_goes_on(sweep, monkeypatch, error, why):
    breaking(monkeypatch, 1, error)
    assert sweep() == 0
    failed, other = read(sweep.out).trials.itertuples()
    assert (failed.state, other.state) == ("failed", "complete")
    assert failed.why.startswith(why)


def test_a_full_disk_ends_the_sweep_and_no_trial_is_to_blame(sweep, monkeypatch, capsys):
    breaking(monkeypatch, 2, OSError(errno.ENOSPC, "No space left on device"))
    assert sweep() == 1
    assert "is full: free some space" in capsys.readouterr().err
    assert list(read(sweep.out).trials.state) == ["complete", "running"]


def test_ctrl_c_leaves_the_trial_for_the_same_command(sweep, monkeypatch, capsys):
    jobs = breaking(monkeypatch, 2, KeyboardInterrupt())
    assert sweep() == command.INTERRUPTED
    assert capsys.readouterr().out.splitlines()[-1] == "interrupted: the same command goes on from here"
    assert list(read(sweep.out).trials.state) == ["complete", "running"]
    assert sweep() == 0
    assert jobs[:3] == ["ecg/pare-0000", "ecg/nft-0001", "ecg/nft-0001"]
    curves = read(sweep.out).curves
    assert list(curves[curves.trial == "nft-0001"].epoch) == [1, 2]


def test_a_cap_ends_it_well(sweep, capsys):
    assert sweep(trials=9, max_hours=0.0005) == 0
    assert "budget reached: --max-hours 0.0005" in capsys.readouterr().out
    assert set(read(sweep.out).trials.state) <= {"complete", "pruned"}


def test_an_error_of_the_sweep_itself_is_no_trials(sweep, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("pare.reporting.tables.Tables.epoch", broken)
    with pytest.raises(ZeroDivisionError):
        sweep()
    assert list(read(sweep.out).trials.state) == ["running"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"workers_per_trial": 2}, "--workers-per-trial is 2: --executor inline"),
        ({"max_concurrent": 2}, "--max-concurrent is 2: --executor inline"),
        ({"address": "auto"}, "--address is auto: --executor inline"),
    ],
)
def test_more_than_one_process_is_refused(options, named):
    with pytest.raises(RequestError, match=named):
        InlineExecutor(Request(**options))

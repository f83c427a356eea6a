"""What the studies and the request add to the page of a sweep, and when it is written."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from pare import tasks
from pare.search import page as report
from pare.search.page import PageWriter, command, importance
from pare.search.request import Request


def trial(number, lr, values, method="pare", **more):
    """An ended trial whose value after each epoch is given."""
    params = {"lr": lr, "warmup": 0.1 * (number % 3), **more}
    return optuna.create_trial(
        state=TrialState.COMPLETE if len(values) == 3 else TrialState.PRUNED,
        value=values[-1],
        params=params,
        distributions=dict.fromkeys(params, FloatDistribution(0.0, 1.0)),
        intermediate_values=dict(enumerate(values, start=1)),
        user_attrs={"method": method},
    )


def plan(trials, left=0):
    study = SimpleNamespace(methods=("pare", "nft"), ended=lambda: trials, left=left)
    return SimpleNamespace(task=tasks.get("ecg"), study=study)


def test_importance_finds_the_setting_that_matters():
    trials = [trial(n, lr := n / 10, [lr, lr, lr][: 1 + n % 3]) for n in range(10)]
    found = importance(plan(trials))
    assert set(found.shares) == {"lr", "warmup"}
    assert found.shares["lr"] > 0.8
    assert sum(found.shares.values()) == pytest.approx(1)
    assert "6 trials of pare, by their best validation metric after epoch 2;" in found.note, "half reached that"


def test_importance_compares_like_with_like():
    whole = [trial(n, n / 10, [0.9, 0.5, n / 10]) for n in range(7)]
    others = [trial(n, 0.5, [0.1], method="nft") for n in range(9)]
    found = importance(plan([*whole, *others]))
    assert "7 trials of pare, by their best validation metric after epoch 3" in found.note


@pytest.mark.parametrize(
    "trials",
    [[], [trial(n, n / 10, [n / 10]) for n in range(5)], [trial(n, n / 10, [0.5]) for n in range(9)]],
    ids=["none", "few", "all alike"],
)
def test_importance_is_not_made_up(trials):
    assert importance(plan(trials)) is None


def asked(folder, **changes):
    request = {**asdict(Request()), **changes}
    (folder / "sweep.json").write_text(json.dumps({"request": request}))
    return command(folder, "nas360")


def test_the_command_line_has_what_was_asked_for_and_no_more(tmp_path):
    assert asked(tmp_path) == "python sweeps/nas360.py"
    line = asked(tmp_path, tasks=["ecg", "darcy"], trials=4, warm_start=False, fresh=True, out="runs/a b")
    assert line == "python sweeps/nas360.py --tasks ecg darcy --trials 4 --out 'runs/a b' --fresh --no-warm-start"


def test_the_page_is_written_at_most_every_so_often(tmp_path, monkeypatch):
    asked(tmp_path)
    now, contexts = [0.0], []
    monkeypatch.setattr(report.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(report.report, "write", lambda _, context: contexts.append(context))
    page = PageWriter(tmp_path, "nas360", [plan([], left=3), plan([], left=1)])
    for now[0] in (0.0, 1.0, 29.0, 31.0, 32.0):
        page.end(None)
    assert len(contexts) == 2
    page.write()
    assert len(contexts) == 3
    assert contexts[0].left == 4

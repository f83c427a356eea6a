"""`pare.sweep`: arrays in, a result out that tells, predicts and goes on; mistakes are exceptions of one line."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import pare
from pare import tasks
from pare.commands import arrays
from pare.errors import DataError, RequestError
from pare.search import report_writer

SMALL = {"preset": "laptop", "executor": "inline", "trials": 1, "epochs": 1, "seeds": 1}


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(tasks, "_own", [])


def waves(n=60):
    """Sequences (n, 2, 40) of two classes, a slow and a fast wave, with their names."""
    rng = np.random.default_rng(0)
    fast = np.arange(n) % 2
    x = np.sin(np.arange(40) * (0.2 + 0.6 * fast[:, None, None])) + 0.1 * rng.normal(size=(n, 2, 40))
    return x, np.where(fast, "fast", "slow")


@pytest.fixture(scope="module")
def swept(root, tmp_path_factory):
    """A sweep of waves: its result, its keywords and what it printed."""
    folder = tmp_path_factory.mktemp("python")
    keywords = {**SMALL, "out": folder / "out", "data_root": root, "name": "waves"}
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "_own", [])
        patch.setattr(arrays, "Console", lambda **options: Console(**{"file": printed, "width": 100, **options}))
        result = pare.sweep(*waves(), **keywords)
        assert result.leaderboard
    return result, keywords, printed.getvalue()


def test_the_result_tells_what_was_found(swept, monkeypatch):
    result, keywords, printed = swept
    assert result.finished
    assert not result.failures
    assert result.path == keywords["out"]
    assert {row.method for row in result.leaderboard} >= {"pare", "constant", "logistic regression"}
    assert [trial["state"] for trial in result.trials] == ["complete"]
    assert result.trials[0]["config.epochs"] == 1
    assert "logistic regression" in repr(result)
    assert str(result.path) in repr(result)
    for said in (
        "waves: what was read",
        "│ the arrays ",
        "preset laptop: as asked for",
        "waves pare-0000: complete",
        "report.html",
    ):
        assert said in printed


def test_in_a_notebook_it_prints_as_elsewhere(swept, monkeypatch):
    result, _, _ = swept
    plain = repr(result)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert repr(result) == plain


def test_the_best_model_predicts(swept):
    result, _, _ = swept
    x, _ = waves(5)
    probabilities = result.predict(x)
    assert probabilities.shape == (5, 2)
    np.testing.assert_allclose(probabilities, pare.load(result.path / "waves" / "best").predict(x), atol=1e-6)


def test_the_report_shows_the_call(swept):
    result, keywords, _ = swept
    line = report_writer.command(result.path, "own")
    assert line.startswith("pare.sweep(x, y, ")
    assert "trials=1" in line
    assert "executor='inline'" in line
    assert "name='waves'" in line
    assert "tasks" not in line


def test_the_same_call_again_goes_on_without_a_word(swept, capsys):
    result, keywords, _ = swept
    again = pare.sweep(*waves(), **keywords, progress=False)
    assert again.trials == result.trials
    more = pare.sweep(*waves(), **{**keywords, "trials": 2}, progress=False)
    assert len(more.trials) == 2
    assert capsys.readouterr().out == ""


def test_ctrl_c_keeps_what_is_there(root, tmp_path, monkeypatch, capsys):
    from pare.search import trial

    keywords = {**SMALL, "out": tmp_path / "out", "data_root": root, "trials": 2}
    whole, begun = trial.carry_out, []

    def interrupted(*arguments):
        begun.append(arguments)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(trial, "carry_out", interrupted)
    result = pare.sweep(*waves(), **keywords)
    assert not result.finished
    assert "interrupted: the same call goes on from here" in capsys.readouterr().out
    assert "complete" in [row["state"] for row in result.trials]
    assert "interrupted" in repr(result)
    with pytest.raises(DataError, match="does not exist"):
        result.predict(waves(2)[0])
    assert (result.path / "report.html").is_file()
    monkeypatch.setattr(trial, "carry_out", whole)
    result = pare.sweep(*waves(), **keywords)
    assert result.finished
    assert result.predict(waves(2)[0]).shape == (2, 2)


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"y": np.zeros(3)}, DataError, "the arrays: x has 60 rows, y has 3 rows: give one y a row"),
        ({"y": np.zeros(60, int)}, DataError, "the arrays: y holds one class only"),
        ({"x": np.full((60, 8), np.nan)}, DataError, "NaN"),
        ({"x": [["a"] * 4] * 60}, DataError, "x is <U1 (60, 4): give numbers"),
        ({"group": np.zeros(2)}, DataError, "group has 2 rows"),
        ({"metric": "nice"}, RequestError, "--metric is 'nice': for classification choose from error"),
        ({"name": "ecg"}, RequestError, "--name is 'ecg', which is another task"),
        ({"name": "My Data"}, RequestError, "--name is 'My Data': give small letters"),
        ({"trials": 0}, RequestError, "--trials is 0: give 1 or more"),
        ({"trials": "many"}, RequestError, '"many"'),
        ({"trails": 4}, RequestError, "trails"),
        ({"sampler": "best"}, RequestError, '"best"'),
        ({"plan": True}, RequestError, "plan"),
        ({"space": True}, RequestError, "space"),
        ({"set": {"optimizer.bacth": 16}}, RequestError, "optimizer.batch"),
    ],
)
def test_mistakes_are_exceptions_of_one_line(tmp_path, changes, kind, words):
    x, y = waves()
    keywords = {"x": x, "y": y, **SMALL, "out": tmp_path / "out", "data_root": tmp_path / "data", **changes}
    with pytest.raises(kind) as error:
        pare.sweep(**keywords)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_frame_and_numbers_are_taken_as_a_table_is(tmp_path):
    """The task is the one that `pare own` would make of the same numbers in a file."""
    from pare.tasks.own.importer import bring

    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=40), "b": rng.choice(["u", "v"], 40)})
    y = rng.normal(size=40)
    frame.assign(label=y).to_csv(tmp_path / "t.csv", index=False)
    from_file = bring(tmp_path / "file", "own", Path(tmp_path / "t.csv")).specification
    seen = []

    def run(name, request, *others):
        seen.append((name, request))
        return arrays.command.Outcome(tmp_path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays.command, "run", run)
        space = {"search": {"tuning.drop_path": (0, 0.3), "optimizer.batch": [16, 32]}, "set": {"patch": 4}}
        given = {"methods": "nft", "seed": 3, "warm_start": False, "data_root": tmp_path / "arrays"}
        pare.sweep(frame, y, progress=False, **given, **space)
    ((_, request),) = seen
    assert (request.methods, request.seed, request.warm_start, request.tasks) == (("nft",), 3, False, ("own",))
    assert request.out == "runs/own"
    assert request.set == ("patch=4",)
    assert request.search == ("tuning.drop_path=0:0.3", "optimizer.batch=16,32")
    own = tasks.get("own").specification
    assert (own.kind, own.shape, own.columns) == (from_file.kind, from_file.shape, from_file.columns)

"""Trials in MLflow and Weights & Biases, kept on this machine: a run each, whole, and one only."""

import importlib.util

import pytest

from pare.errors import RequestError
from pare.reporting.tracking import require, tracker
from tests.reporting.fakes import arrays, figures, record, run


def test_a_missing_package_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RequestError, match=r"--track is 'mlflow': install it by pip install 'pare-sweep\[mlflow\]'"):
        require("mlflow")


def test_mlflow_has_settings_figures_and_state_of_every_trial(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(tmp_path.as_uri())
    observer = tracker("mlflow", "nas360")
    run(observer, record(), metric=0.5)
    run(observer, record("pare-0001"), state="failed")
    run(observer, record("confirm-pare-1", purpose="confirm", test=0.4))
    again = tracker("mlflow", "nas360")
    again.begin(record())
    again.epoch(record(), figures(3, 0.25) | arrays("ecg"))
    again.end(record(state="complete"))
    client = mlflow.MlflowClient()
    (experiment,) = [e for e in client.search_experiments() if e.name == "nas360/ecg"]
    runs = {each.info.run_name: each for each in client.search_runs([experiment.experiment_id])}
    assert {name: each.info.status for name, each in runs.items()} == {
        "pare-0000": "FINISHED",
        "pare-0001": "FAILED",
        "confirm-pare-1": "FINISHED",
    }
    first = runs["pare-0000"]
    assert first.data.params["optimizer.lr.body"] == "0.0001"
    assert first.data.tags["method"] == "pare"
    curve = client.get_metric_history(first.info.run_id, "validation/metric")
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.5), (3, 0.25)]
    assert runs["confirm-pare-1"].data.metrics["test/metric"] == 0.4


class _Run:
    def __init__(self):
        self.points, self.summary, self.code = [], {}, None

    def log(self, values, step):
        self.points.append((step, values["validation/metric"]))

    def finish(self, exit_code):
        self.code = exit_code


def test_wandb_is_asked_for_a_run_a_trial(monkeypatch):
    """Its service is not started here: what it is asked for is looked at."""
    wandb = pytest.importorskip("wandb")
    asked, runs = [], []
    monkeypatch.setattr(wandb, "init", lambda **options: asked.append(options) or runs.append(_Run()) or runs[-1])
    observer = tracker("wandb", "nas360")
    run(observer, record(), metric=0.5)
    run(observer, record("pare-0001"), state="failed")
    assert [options["id"] for options in asked] == ["nas360-ecg-pare-0000", "nas360-ecg-pare-0001"]
    assert asked[0]["config"]["optimizer.lr.body"] == 1e-4
    assert runs[0].points == [(1, 0.5), (2, 0.5)]
    assert runs[0].summary["state"] == "complete"
    assert [each.code for each in runs] == [0, 1]

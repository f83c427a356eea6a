"""The configuration that a sweep starts from: the task's, for the body that is asked for."""

import json

import pytest

from pare import tasks
from pare.config import Run
from pare.search.request import Request
from pare.search.space.base import settings_of

RATE = "optimizer.lr.body"


@pytest.fixture
def bert(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    return str(tmp_path)


def settings(body, preset="laptop", earlier=None, **request):
    return settings_of(tasks.get("ecg"), preset, Request(body=body, **request), earlier)


def test_a_body_from_outside_gets_the_published_rate_and_a_source_that_it_reads(bert):
    task = tasks.get("ecg")
    assert settings(None)[RATE] == settings("roberta-mini-text")[RATE] == task.laptop[RATE]
    assert settings(bert)[RATE] == task.paper[RATE] < task.laptop[RATE]
    assert settings(bert)["source"] == "text"
    assert settings(bert, "paper")["source"] == "conll2000"
    assert settings(bert, source="conll2003")["source"] == "conll2003"


def test_a_sweep_that_began_with_another_rate_goes_on_with_it(bert):
    task = tasks.get("ecg")
    earlier = Run(task="ecg", data="", body=bert, source="text", source_data="").replace({RATE: task.laptop[RATE]})
    assert settings(bert, earlier=earlier)[RATE] == task.laptop[RATE]
    assert settings(bert, earlier=earlier.replace({RATE: 1e-5}))[RATE] == task.paper[RATE]

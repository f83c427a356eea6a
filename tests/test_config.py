import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.config import Alignment, Curriculum, Gate, LearningRates, Optimizer, Run
from pare.errors import RequestError

RUN = Run(task="ecg", data="d", body="b", source="s", source_data="sd")


def test_flat_and_back():
    run = RUN.replace({"curriculum.start": 0.5, "optimizer.lr.body": 3e-4, "gate.threshold": 0.2, "method": "nft"})
    assert Run.from_flat(run.flat()) == run
    assert Run.from_flat(json.loads(json.dumps(run.flat()))) == run
    assert run.optimizer.lr.body == 3e-4


def test_replace_leaves_the_rest_alone():
    changed = RUN.replace({"optimizer.batch": 7})
    assert {k: v for k, v in changed.flat().items() if k != "optimizer.batch"} == {
        k: v for k, v in RUN.flat().items() if k != "optimizer.batch"
    }


@pytest.mark.parametrize("name", ["curriculum.stat", "lr", "epochs.x", "optimizer.lr.head"])
def test_unknown_settings_are_named(name):
    with pytest.raises(RequestError, match="unknown setting"):
        RUN.replace({name: 1})


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda: Curriculum(start=0.1, end=0.2), "0.1, 0.2"),
        (lambda: RUN.replace({"curriculum.family": "square"}), "square"),
        (lambda: Curriculum(until=0.0), "until"),
        (lambda: Curriculum(plateaus=1), "plateaus"),
        (lambda: Gate(threshold=1.0), "threshold"),
        (lambda: Gate(temperature=0.0), "temperature"),
        (lambda: Gate(noise=-1.0), "noise"),
        (lambda: Gate(noise_until=1.5), "noise_until"),
        (lambda: Alignment(steps=0), "alignment.steps"),
        (lambda: Alignment(lr=0.0), "alignment.lr"),
        (lambda: RUN.replace({"alignment.regularisation": 0}), "alignment.regularisation"),
        (lambda: LearningRates(body=0.0), "optimizer.lr.body"),
        (lambda: RUN.replace({"optimizer.name": "lion"}), "lion"),
        (lambda: Optimizer(batch=0), "batch"),
        (lambda: Optimizer(warmup=0.5, decay_until=0.4), "decay_until"),
        (lambda: RUN.replace({"method": "magic"}), "magic"),
        (lambda: dataclasses.replace(RUN, epochs=0), "epochs"),
        (lambda: dataclasses.replace(RUN, mix_weight=-0.1), "mix_weight"),
        (lambda: dataclasses.replace(RUN, num_hidden_layers=-1), "num_hidden_layers"),
    ],
)
def test_wrong_values_are_told_in_one_line(build, names):
    with pytest.raises(RequestError, match=names.replace(".", r"\.")) as error:
        build()
    assert "\n" not in str(error.value)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_curriculum_never_rises_by_construction(start, end):
    if end <= start:
        assert Curriculum(start=start, end=end).end == end
    else:
        with pytest.raises(RequestError):
            Curriculum(start=start, end=end)

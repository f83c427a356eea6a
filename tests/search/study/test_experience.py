"""What is known of a setting is additive, bounded, and outlives the user's changes of its interval."""

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from pare import tasks
from pare.config import Run
from pare.search.space.apply import apply
from pare.search.space.changes import Changes, Choices, Interval
from pare.search.study import space
from pare.search.study.experience import Experience, features
from pare.search.study.space import Dimension, Space
from pare.search.study.study import EXPERIENCED, Study

RUN = Run(task="ecg", data="d", body="roberta-mini", source="signals", source_data="s")
RATE = FloatDistribution(1e-4, 1e-2, log=True)


def test_a_number_is_its_place_from_the_middle_and_an_absent_one_is_nothing():
    assert features(RATE, 1e-3) == pytest.approx({"place": 0.0, "square": 0.0}, abs=1e-12)
    assert features(RATE, 1e-2) == pytest.approx({"place": 0.5, "square": 0.25})
    assert features(RATE, 1.0) == pytest.approx({"place": 0.5, "square": 0.25}), "beyond is the end"
    assert features(RATE, 0.0) == pytest.approx({"place": -0.5, "square": 0.25}), "also where there is no logarithm"
    assert features(RATE, None) == {}
    assert features(CategoricalDistribution(("all", "lora")), "lora") == {"lora": 1.0}


def test_ranks_add_up_and_an_unknown_choice_counts_nothing():
    known = Experience(CategoricalDistribution(("all", "lora")), {"all": -0.1, "lora": 0.1})
    assert known.rank("lora") == 0.1
    assert known.rank("norms") == known.rank(None) == 0.0
    searched = space.for_run(RUN, "1d")
    values = searched.published(RUN, "pare")
    apart = [each.experience.rank(values.get(each.name)) for each in searched.dimensions if each.experience]
    assert searched.expected_rank(values) == pytest.approx(sum(apart))


@pytest.mark.parametrize("name", tasks.names())
def test_what_it_expects_most_from_is_better_by_its_own_account_in_every_space(name):
    task = tasks.get(name)
    base = RUN.replace({"task": name, **task.paper, **task.laptop})
    searched = space.for_run(base, task.modality)
    for method in ("pare", "nft", "orca"):
        chances = [np.random.default_rng(seed) for seed in range(20)]
        chosen = [searched.promising(method, random) for random in chances]
        drawn = [searched._draw(method, random.random) for random in chances]
        assert (
            np.mean(list(map(searched.expected_rank, chosen))) < np.mean(list(map(searched.expected_rank, drawn))) - 0.1
        )
        base.replace({**space.to_run(chosen[0]), "method": method})


def test_a_users_interval_keeps_what_is_known_of_its_values():
    searched = space.for_run(RUN, "1d")
    low = RUN.optimizer.lr.body / 10
    changes = Changes({}, {"optimizer.lr.body": Interval(low, low * 2, "log")})
    _, narrow = apply(changes, RUN, searched, ("pare",))
    values = searched.published(RUN, "pare") | {"optimizer.lr.body": low * 1.5}
    assert narrow.expected_rank(values) == pytest.approx(searched.expected_rank(values))
    chosen = narrow.promising("pare", np.random.default_rng(0))
    assert chosen is not None
    assert low <= chosen["optimizer.lr.body"] <= low * 2


def proposed(trials, searched=None, sampler="tpe"):
    """What a study proposes for `pare`, each trial ended before the next."""
    searched = searched or space.for_run(RUN, "1d")
    study = Study("ecg", None, "minimize", RUN, searched, ("pare",), trials, 0, sampler, "none", share="trials")
    found = []
    while (trial := study.ask()) is not None:
        study.report(trial.number, 1, float(trial.number))
        study.complete(trial.number, float(trial.number))
        if trial.method == "pare":
            found.append(trial.searched)
    return found


def test_experience_proposes_a_methods_first_trials_and_then_fewer(monkeypatch):
    chosen = []
    promising = Space.promising

    def spy(self, method, random):
        chosen.append(promising(self, method, random))
        return chosen[-1]

    monkeypatch.setattr(Space, "promising", spy)
    asked = proposed(161)
    turns = [turn for turn, values in enumerate(asked) if values in chosen]
    assert turns[: EXPERIENCED - 1] == list(range(1, EXPERIENCED)), "all but the published one"
    assert 0.1 < sum(turn >= 80 for turn in turns) / 80 < 0.35, "20 / 120 in the middle of them"


def test_random_search_is_random_after_the_published_configuration():
    asked = proposed(60, sampler="random")
    assert asked[0] == space.for_run(RUN, "1d").published(RUN, "pare")
    assert np.mean([values["tuning.body"] == "lora" for values in asked[1:]]) > 0.3, "which experience avoids"


def test_a_space_without_experience_is_left_to_the_sampler():
    plain = Space([Dimension("gate.threshold", FloatDistribution(0.0, 0.9), "gates")])
    assert plain.promising("pare", np.random.default_rng(0)) is None
    assert len({values["gate.threshold"] for values in proposed(4, plain)}) == 3


def test_choices_of_the_user_are_weighed_as_numbers_too():
    searched = space.for_run(RUN, "1d")
    changes = Changes({}, {"optimizer.weight_decay": Choices((0.0, 0.01)), "optimizer.batch": Choices((16, 32))})
    _, changed = apply(changes, RUN, searched, ("pare",))
    chosen = changed.promising("pare", np.random.default_rng(0))
    assert chosen["optimizer.weight_decay"] in (0.0, 0.01)
    assert chosen["optimizer.batch"] in (16, 32)

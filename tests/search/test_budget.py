import math

import pytest

from pare.errors import DataError
from pare.search.budget import NOTHING, Amounts, Budget


class Clock:
    def __init__(self):
        self.hours = 5.0

    def __call__(self):
        return 3600 * self.hours


@pytest.fixture
def make(tmp_path):
    clock = Clock()

    def budget(price=2.0, **caps):
        made = Budget(
            tmp_path / "spent.json",
            Amounts(**({"hours": math.inf, "gpu_hours": math.inf, "usd": math.inf} | caps)),
            lambda: price,
            clock,
        )
        made.clock = clock
        return made

    return budget


def test_hours_gpu_hours_and_dollars_are_counted(make):
    budget = make()
    budget.clock.hours += 1.5
    budget.tick(gpus=4)
    budget.clock.hours += 0.5
    budget.tick(gpus=0)
    assert vars(budget.spent) == pytest.approx({"hours": 2.0, "gpu_hours": 6.0, "usd": 4.0})


def test_earlier_sittings_count_and_the_time_between_does_not(make):
    first = make()
    first.clock.hours += 1
    first.tick(gpus=1)
    first.clock.hours += 100
    second = make()
    second.clock.hours += 1
    second.tick(gpus=1)
    assert second.spent.hours == pytest.approx(2)
    assert second.spent.gpu_hours == pytest.approx(2)


@pytest.mark.parametrize(
    ("cap", "option"), [("hours", "--max-hours"), ("gpu_hours", "--max-gpu-hours"), ("usd", "--max-usd")]
)
def test_each_cap_is_named(make, cap, option):
    budget = make(**{cap: 2.0})
    budget.clock.hours += 0.9
    budget.tick(gpus=1)
    assert budget.reached() == ""
    budget.clock.hours += 1.2
    budget.tick(gpus=1)
    assert budget.reached().startswith(f"{option} 2 (")


def test_what_is_set_aside_may_not_be_used(make):
    budget = make(hours=10.0)
    budget.clock.hours += 7
    budget.tick(gpus=0)
    assert not budget.reached(Amounts(hours=2.9))
    assert budget.reached(Amounts(hours=3.1))


def test_a_task_may_use_its_share_of_what_was_left(make):
    budget = make(hours=10.0)
    budget.clock.hours += 4
    budget.tick(gpus=0)
    since = Amounts(hours=2.0)
    # 10 - 2 - 2 set aside = 6 for two tasks: this one may go to 2 + 3.
    assert not budget.reached(Amounts(hours=2.0), since, sharers=2)
    budget.clock.hours += 1.1
    budget.tick(gpus=0)
    assert budget.reached(Amounts(hours=2.0), since, sharers=2)


def test_what_costs_nothing_is_not_told_of(make):
    free, capped = make(price=0.0), make(hours=2.0, usd=5.0)
    for budget, hours in ((free, 1.0), (capped, 0.5)):
        budget.clock.hours += hours
        budget.tick(gpus=0)
    assert free.describe() == ""
    capped.tick(gpus=0)
    assert capped.describe() == "1.50 h of 2, $3.00 of 5"


def test_a_damaged_record_is_named(make, tmp_path):
    (tmp_path / "spent.json").write_text("{")
    with pytest.raises(DataError, match=r"spent.json is damaged"):
        make()


def test_nothing_was_spent_at_first(make):
    assert make().spent == NOTHING

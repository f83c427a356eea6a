"""The script of the sweep; what a sweep does is tested with another one, in test_nas360.py."""

import pytest

from pare import tasks
from pare.commands import pdebench
from pare.search.request import parse


@pytest.mark.parametrize("preset", pdebench.PRESETS.values(), ids=pdebench.PRESETS)
def test_presets_are_the_eight_tasks_of_the_benchmark(preset):
    registered = {name for name in tasks.names() if name.startswith("pde-")}
    assert registered - set(preset.tasks) == {
        "pde-advection-rollout",
        "pde-diffusion-reaction-2d-full",
        "pde-diffusion-reaction-2d-rollout",
    }
    assert len(preset.tasks) == 8


def test_help_is_the_page(capsys):
    assert parse("pdebench", pdebench.__doc__, ["--help"]) is None
    assert "trivial predictor" in capsys.readouterr().out

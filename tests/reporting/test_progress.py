import io
import math

import pytest
from rich.console import Console

from pare.reporting.progress import SweepProgress
from pare.reporting.scalars import stayed_at_chance
from tests.reporting.fakes import figures, record, run


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def calm() -> Console:
    return Console(file=io.StringIO(), width=80)


def terminal() -> Console:
    return Console(file=io.StringIO(), width=100, force_terminal=True)


def test_one_line_per_ended_trial():
    console = calm()
    with SweepProgress(console=console) as progress:
        progress.expect(3)
        run(progress, record(), metric=0.5)
        run(progress, record("pare-0001"), metric=0.25, state="pruned")
        run(progress, record("pare-0002", why="loss is [nan]\n\x1b[31min epoch 1"), metric=0.1, state="failed")
        run(progress, record("confirm-pare-0", purpose="confirm", test=0.4), metric=0.2)
    assert text(console).splitlines() == [
        "ecg pare-0000: complete, validation 0.5, 2 epochs, 4 s, 1 of 3 trials, best 0.5 (pare-0000)",
        "ecg pare-0001: pruned, validation 0.25, 2 epochs, 4 s, 2 of 3 trials, best 0.5 (pare-0000)",
        "ecg pare-0002: failed, loss is [nan] [31min epoch 1, 2 epochs, 4 s, 3 of 3 trials, best 0.5 (pare-0000)",
        "ecg confirm-pare-0: complete, validation 0.2, test 0.4, 2 epochs, 4 s",
    ]


def test_preparation_in_tenths():
    console = calm()
    with SweepProgress(console=console) as progress, progress.preparing("ecg") as tell:
        for done in range(1, 1001):
            tell(done, 1000)
    lines = text(console).splitlines()
    assert lines == ["preparing ecg", *(f"preparing ecg: {n}0 %" for n in range(1, 10)), "ecg: ready"]


def test_a_terminal_shows_the_sweep_live():
    console = terminal()
    with SweepProgress(8, console) as progress:
        with progress.preparing("darcy") as tell:
            tell(1, 4)
        run(progress, record(), metric=0.5)
        run(progress, record("pare-0001"), metric=0.25, state="pruned")
        going = record("pare-0002")
        progress.begin(going)
        progress.epoch(going, figures(1))
        progress.begin(record("confirm-pare-0", purpose="confirm"))
    shown = text(console)
    assert "darcy: ready" in shown
    assert "2 of 8 trials · 1 complete · 1 pruned · 1 running · confirming 1 · 0:00:00 elapsed" in shown
    assert "ecg: best 0.5 (pare-0000); 1 - macro-F1, lower is better" in shown


def test_the_published_figure_stands_beside_official_data_only():
    console = terminal()
    with SweepProgress(8, console) as progress:
        run(progress, record("pare-0000", task="darcy", provenance="real"), metric=0.01)
        run(progress, record("pare-0000", task="ecg", provenance="simulated"), metric=0.3)
    assert "darcy: best 0.01 (pare-0000), published 0.007;" in text(console)
    assert "ecg: best 0.3 (pare-0000); " in text(console)


def test_a_terminal_shows_what_was_spent():
    console = terminal()
    with SweepProgress(8, console) as progress:
        progress.spent = lambda: "$1.20 of 5"
        run(progress, record())
    assert "$1.20 of 5" in text(console)


def test_a_terminal_says_failures_too():
    console = terminal()
    with SweepProgress(8, console) as progress:
        run(progress, record(why="no memory"), state="failed")
    assert "ecg pare-0000: failed, no memory" in text(console)


def test_nothing_but_printable_lines_away_from_a_terminal():
    console = calm()
    with SweepProgress(1, console) as progress:
        with progress.preparing("ecg") as tell:
            tell(1, 1)
        run(progress, record())
    assert all(character.isprintable() for line in text(console).split("\n") for character in line)


def test_a_source_term_that_stayed_at_chance_is_told_at_the_end_of_the_first_such_trial():
    console = calm()
    with SweepProgress(console=console) as progress:
        progress.expect(3)
        for name, losses, state in (
            ("stayed", (4.5, 4.2), "complete"),
            ("too", (4.5, 4.2), "complete"),
            ("learnt", (4.5, 3.0), "complete"),
            ("cut", (4.5,), "pruned"),
        ):
            ended = record(name)
            progress.begin(ended)
            for epoch, loss in enumerate(losses, start=1):
                progress.epoch(ended, {**figures(epoch), "loss_source": loss, "source_chance_loss": 4.16})
            ended.state, ended.objective = state, 0.5
            progress.end(ended)
    said = " ".join(text(console).split())
    assert said.count("taught nothing") == 1
    assert "ecg stayed: its source term stayed at chance (loss 4.20, chance 4.16) and taught nothing" in said


@pytest.mark.parametrize(("loss", "stayed"), [(4.5, True), (4.1, True), (3.5, False)])
def test_a_source_term_at_chance_is_known(loss, stayed):
    figures = {"loss_source": loss, "source_chance_loss": math.log(64)}
    assert stayed_at_chance(figures) == stayed
    assert not stayed_at_chance({"loss_source": loss}), "nothing is known of what chance would reach"

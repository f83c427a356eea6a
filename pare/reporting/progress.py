"""Progress of a sweep: a live display on a terminal, single lines anywhere else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from pare.reporting.records import Record, State, describe
from pare.reporting.scalars import stayed_at_chance

STEPS = 10
"""Lines per preparation without a terminal."""


class SweepProgress:
    """Shows the progress of data preparation and of all tasks' trials; an observer and a context manager.

    `total` is the number of search trials to come. Everything goes to one console, standard output unless given.
    """

    def __init__(self, total: int = 0, console: Console | None = None) -> None:
        self.total = total
        self.console = console or Console()
        self.spent: Callable[[], str] = str
        """Describes what the sweep has spent of its budget; empty if it costs nothing."""
        self.ended: Counter[State] = Counter()
        self._running: dict[tuple[str, str], Record] = {}
        self._best: dict[str, Record] = {}
        """Best complete trial by validation, by task."""
        self._at_chance: dict[tuple[str, str], str] = {}
        """Evidence that a trial's source term has taught nothing so far, by task and trial."""
        self._told_of_chance: set[str] = set()
        """Tasks of which that was said: at the published settings it is so in most trials, and once is enough."""
        self._began = time.monotonic()
        self._bars = Bars(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=self.console)
        self._live: Live | None = None

    def expect(self, total: int) -> None:
        """Set the number of search trials to come, and start the clock of the estimate."""
        self.total = total
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._display, console=self.console, refresh_per_second=2)
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    @contextmanager
    def preparing(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Show the preparation of `name` while the context lasts; the yielded callback takes (done, total)."""
        if self._live:
            bar = self._bars.add_task(f"preparing {name}", total=None)
            try:
                yield lambda done, total: self._bars.update(bar, completed=done, total=total)
            finally:
                self._bars.remove_task(bar)
        else:
            self._say(f"preparing {name}")
            yield self._lines(f"preparing {name}")
        self._say(f"{name}: ready")

    def begin(self, record: Record) -> None:
        self._running[record.task, record.trial] = record

    def epoch(self, record: Record, figures: Mapping[str, Any]) -> None:
        self._running[record.task, record.trial] = record
        self._at_chance.pop((record.task, record.trial), None)
        if stayed_at_chance(figures):
            loss, chance = figures["loss_source"], figures["source_chance_loss"]
            self._at_chance[record.task, record.trial] = f"{loss:.2f}, chance {chance:.2f}"

    def end(self, record: Record) -> None:
        self._running.pop((record.task, record.trial), None)
        if record.purpose == "search":
            self.ended[record.state] += 1
            self._note(record)
        if not self._live or record.state == "failed" or record.purpose == "confirm":
            self._say(self._line(record))
        at_chance = self._at_chance.pop((record.task, record.trial), "")
        if at_chance and record.state == "complete" and record.task not in self._told_of_chance:
            self._told_of_chance.add(record.task)
            told = f"its source term stayed at chance (loss {at_chance}) and taught nothing"
            remedy = "a higher mix_weight, a curriculum that stays high, or source_head.steps let it learn"
            self._say(f"{record.task} {record.trial}: {told}: {remedy}; loss_source tells of each trial")

    def _note(self, record: Record) -> None:
        """Remember the record if it is the best complete trial of its task."""
        if record.state != "complete" or record.objective is None:
            return
        best = self._best.get(record.task)
        metric = record.target.metric
        if best is None or best.objective is None or metric.better(record.objective, best.objective):
            self._best[record.task] = record

    def _line(self, record: Record) -> str:
        """Format the line of an ended trial."""
        facts = [f"{record.task} {record.trial}: {record.state}"]
        if record.state == "failed":
            facts.append(" ".join("".join(c if c.isprintable() else " " for c in record.why).split()))
        elif record.objective is not None:
            facts.append(f"validation {record.objective:.4g}")
        if record.test is not None:
            facts.append(f"test {record.test:.4g}")
        facts += [f"{record.epochs} epochs", f"{record.seconds:.0f} s"]
        if record.purpose == "search":
            facts.append(f"{self.ended.total()} of {self.total} trials")
            if best := self._best.get(record.task):
                facts.append(f"best {best.objective:.4g} ({best.trial})")
        return ", ".join(facts)

    def _display(self) -> RenderableType:
        lines = [self._bars.get_renderable()] if self._bars.tasks else []
        if self.total or self._running:
            lines += [Text(line, no_wrap=True, overflow="ellipsis") for line in [self._summary(), *self._bests()]]
        return Group(*lines)

    def _summary(self) -> str:
        ended, elapsed = self.ended.total(), time.monotonic() - self._began
        confirming = sum(record.purpose == "confirm" for record in list(self._running.values()))
        states = [f"{count} {state}" for state, count in self.ended.copy().items()]
        running = [f"{len(self._running) - confirming} running"] if len(self._running) > confirming else []
        parts = [f"{ended} of {self.total} trials", *states, *running]
        parts += [f"confirming {confirming}"] if confirming else []
        parts.append(f"{_clock(elapsed)} elapsed")
        parts += [spent] if (spent := self.spent()) else []
        if 0 < ended < self.total:
            parts.append(f"about {_clock(elapsed / ended * (self.total - ended))} left")
        return " · ".join(parts)

    def _bests(self) -> list[str]:
        lines = []
        for name, best in sorted(self._best.copy().items()):
            task = best.target
            figures = [figure for figure in task.published if figure.method.lower() == "pare" and not figure.metric]
            # A published figure is comparable only on the official data.
            published = f", published {figures[0].value:.4g}" if figures and best.provenance == "real" else ""
            lines.append(f"{name}: best {best.objective:.4g} ({best.trial}){published}; {describe(task.metric)}")
        return lines

    def _lines(self, what: str) -> Callable[[int, int], None]:
        """Return a callback that prints a line per tenth of the way, except the last, which the caller prints."""
        said = 0

        def tell(done: int, total: int) -> None:
            nonlocal said
            step = done * STEPS // total if total else 0
            if said < step < STEPS:
                said = step
                self._say(f"{what}: {100 * step // STEPS} %")

        return tell

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"

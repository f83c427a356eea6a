"""The request: the options that every script in `sweeps/` takes, and the preset that fills in what is not given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from cyclopts import App, CycloptsError, Parameter

from pare import tasks
from pare.config import MethodName, Run
from pare.data import provider
from pare.errors import RequestError
from pare.reporting import tracking
from pare.reporting.tracking import Tracker
from pare.search.budget import UNLIMITED, Amounts
from pare.search.space import changes as space_changes
from pare.search.space.changes import Changes
from pare.search.study import SamplerName, SchedulerName, ShareUnit

if TYPE_CHECKING:
    from pare.search.study.space import Space  # with Optuna

ExecutorName = Literal["tune", "inline"]
PresetName = Literal["laptop", "paper"]

METHODS: tuple[MethodName, ...] = ("pare", "nft", "cutmix")
"""Methods of a request that names none: patches from the source, no patches, and patches from other target samples."""

PYTHON = "pare.sweep"
"""The function by which Python asks for a sweep."""


@dataclass(frozen=True)
class Preset:
    """What a sweep does where an option is not given."""

    tasks: tuple[str, ...]
    trials: int
    seeds: int
    space: "Callable[[Run, str], Space] | None" = None
    """Function of a published configuration and a modality that returns the space; None is `study.space.for_run`."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asks for; see `--help`."""

    program: ClassVar[str] = ""
    """What made the request, if no command line did."""

    tasks: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = ()
    """Tasks to sweep, by name. [default: the preset's]"""

    preset: Literal["auto", "laptop", "paper"] = "auto"
    """Sizes of everything: small bodies and data that need no download, or the paper's. auto: paper where Ray sees a
    GPU, else laptop."""

    methods: Annotated[tuple[MethodName, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = ()
    """Methods to search, in equal shares of --share. One trial of nft is always among them; name it to give it a share
    too. [default: pare nft cutmix; of a sweep that goes on, its own]"""

    share: Annotated[ShareUnit | None, Parameter(show_default=False)] = None
    """What methods get equal shares of: the next trial is one of the method that has used least, after one trial of
    each. [default: seconds, those that trials hold a slot; of a sweep that goes on, its own]"""

    body: Annotated[str | None, Parameter(show_default=False)] = None
    """Pretrained body: one of the package, a name on the Hugging Face hub, or a folder. [default: the task's]"""

    source: Annotated[str | None, Parameter(show_default=False)] = None
    """Source proxy that patches come from, of what the body was pretrained on. [default: the body's, or the task's]"""

    labels: Annotated[int | None, Parameter(show_default=False)] = None
    """Training labels to use, drawn by class with --seed, of each class one at least; the rest of the training samples
    is unused, validation and test are whole. [default: all]"""

    trials: Annotated[int | None, Parameter(show_default=False)] = None
    """Trials per task in total, a resumed sweep included. [default: the preset's]"""

    epochs: Annotated[int | None, Parameter(show_default=False)] = None
    """Epochs of the longest trial. [default: the task's]"""

    out: Annotated[str | None, Parameter(show_default=False)] = None
    """Directory for everything that the sweep leaves, or a folder in a bucket, such as s3://bucket/run, which nodes
    without a shared disk need. [default: runs/<script>]"""

    data_root: Annotated[str | None, Parameter(show_default=False)] = None
    """Directory of raw and prepared data, or a folder in a bucket, of which each node keeps a copy of what it needs in
    the default. [default: $PARE_DATA, else ~/.cache/pare]"""

    seeds: Annotated[int | None, Parameter(show_default=False)] = None
    """Seeds of the final confirmation. [default: the preset's]"""

    gpus_per_trial: Annotated[float | None, Parameter(show_default=False)] = None
    """GPUs of a trial; may be a fraction. [default: where Ray sees a GPU 1, a quarter with --preset laptop, of small
    bodies; else 0]"""

    workers_per_trial: int = 1
    """Workers of a trial; more than 1 use a Ray Train worker group."""

    max_concurrent: Annotated[int | None, Parameter(show_default=False)] = None
    """Trials at the same time. [default: as many as the cluster holds]"""

    max_hours: Annotated[float | None, Parameter(show_default=False)] = None
    """Hours that the sweep may take in all, earlier sessions included. No trial starts past a cap, those under way end
    at their next epoch, and the share of the final confirmation is kept back. [default: no cap]"""

    max_gpu_hours: Annotated[float | None, Parameter(show_default=False)] = None
    """GPU-hours that its trials may hold in all. [default: no cap]"""

    max_usd: Annotated[float | None, Parameter(show_default=False)] = None
    """Dollars that its nodes may cost in all while it runs. [default: no cap]"""

    plan: Annotated[bool, Parameter(negative="")] = False
    """Measure a few steps of each task, print tasks, trials, hours, GPU-hours and dollars, and start nothing."""

    fresh: Annotated[bool, Parameter(negative="")] = False
    """Start anew; what lies in OUT moves to OUT.1, OUT.2… Without it the same command goes on where it ended."""

    set: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = ()
    """Fix settings of every run: NAME=VALUE, such as optimizer.batch=16. --space shows their names."""

    search: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = ()
    """Search settings over other values, or more settings: NAME=LOW:HIGH, with :log or :linear after it, or
    NAME=A,B,C."""

    space_file: Annotated[Path | None, Parameter(show_default=False)] = None
    """The same from a TOML file with tables [set] and [search], such as the OUT/<task>/space.toml of a sweep; --set and
    --search change what it says."""

    space: Annotated[bool, Parameter(negative="")] = False
    """Print the search space of each task, and start nothing."""

    sampler: SamplerName = "tpe"
    """What proposes the next trial: Optuna's TPE, Gaussian process, CMA-ES, or chance."""

    scheduler: SchedulerName = "asha"
    """What cuts trials short: asynchronous successive halving, the median rule, Hyperband, or nothing."""

    warm_start: bool = True
    """Whether a task's search begins with what finished tasks found, and with what recorded ones taught."""

    address: Annotated[str | None, Parameter(show_default=False)] = None
    """Ray cluster to use, such as auto. [default: Ray on this machine, started for the sweep]"""

    study_storage: Annotated[str | None, Parameter(show_default=False)] = None
    """SQLAlchemy URL of the Optuna studies. [default: SQLite files in OUT]"""

    track: Annotated[Tracker | None, Parameter(show_default=False)] = None
    """Tell MLflow or Weights & Biases of every trial too. [default: TensorBoard and tables only]"""

    executor: ExecutorName = "tune"
    """What runs the trials: Ray Tune; or, for debugging, inline: without Ray, one at a time in this process, where
    breakpoints work."""

    seed: int = 0
    """Seed of the sampler and of every trial; the confirmation counts on from it."""

    def __post_init__(self) -> None:
        for name, least in (
            ("labels", 1),
            ("trials", 1),
            ("epochs", 1),
            ("seeds", 1),
            ("workers_per_trial", 1),
            ("max_concurrent", 1),
            ("gpus_per_trial", 0),
            ("seed", 0),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise RequestError(f"--{name.replace('_', '-')} is {value}: give {least} or more")
        for name in ("max_hours", "max_gpu_hours", "max_usd"):
            cap = getattr(self, name)
            if cap is not None and not cap > 0:
                raise RequestError(f"--{name.replace('_', '-')} is {cap:g}: give more than 0")
        gpus = self.gpus_per_trial
        if gpus is not None and gpus > 1 and gpus != int(gpus):
            raise RequestError(f"--gpus-per-trial is {gpus}: above 1 give a whole number")
        if self.source is not None and self.source not in tasks.sources():
            raise RequestError(f"--source is {self.source!r}: choose from {', '.join(tasks.sources())}")
        for name in self.tasks:
            if name in tasks.sources():
                raise RequestError(f"--tasks is {name!r}, which is a source: choose from {', '.join(tasks.names())}")
        changed = {**self.changes.fixed, **self.changes.searched}
        if self.epochs and "epochs" in changed:
            raise RequestError(f"--epochs is {self.epochs}: --set or --search names epochs too; give one of them")
        if self.track:
            tracking.require(self.track)
        for name in ("tasks", "methods"):
            names = getattr(self, name)
            if len(set(names)) < len(names):
                raise RequestError(f"--{name} is {' '.join(names)}: name each once")

    def ready(self) -> Self:
        """Return the request after a script's own preparation; the base class has none."""
        return self

    @cached_property
    def changes(self) -> Changes:
        """What the request changes in the search space."""
        before = space_changes.load(self.space_file) if self.space_file else Changes()
        return before.then(space_changes.parse(self.set, self.search))

    @property
    def caps(self) -> Amounts:
        """The hard caps, infinite if not given."""
        return Amounts(
            hours=self.max_hours or UNLIMITED.hours,
            gpu_hours=self.max_gpu_hours or UNLIMITED.gpu_hours,
            usd=self.max_usd or UNLIMITED.usd,
        )

    @property
    def root(self) -> Path:
        """Directory of raw and prepared data on this machine."""
        return provider.root(self.data_root)


def parse(name: str, description: str, arguments: Sequence[str], kind: type[Request] = Request) -> Request | None:
    """Parse the request on a command line; None if it asked for help, which is then printed.

    A script with its own options passes its own `kind`.

    Raises:
        RequestError: an option does not exist, or has an invalid value.
    """
    app = App(name=name, help=description, help_format="plaintext", version_flags=[], result_action="return_value")

    def answer(request: Request | None = None) -> Request:
        return request or kind()

    answer.__annotations__["request"] = kind | None  # the options are known only now
    app.default(answer)

    try:
        parsed: Request | None = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        if isinstance(error.__cause__, RequestError):
            raise error.__cause__ from None
        raise RequestError(f"{' '.join(str(error).split())} See {name} --help.") from None
    return parsed

"""The output directory: lock, manifest for resuming, `--fresh`."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pare import files, tasks
from pare.config import MethodName, Run
from pare.errors import DataError, RequestError
from pare.layout import SweepDir
from pare.search.request import Request
from pare.search.space.changes import Changes, plain
from pare.search.study import ShareUnit

LOCK = ".lock"
"""Prefix of the lock's files."""

_DEFINITIONS = "definitions"
"""Key of the manifest with the text of each task of the user's own, by its path."""

_SPACE = "space"
_VERSIONS = ("pare-sweep", "ray", "torch", "transformers", "optuna")


def writable(out: Path) -> Path:
    """Create the directory if it does not exist; return its resolved path.

    Raises:
        RequestError: it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RequestError(f"--out is {str(out)!r}: {error.strerror}; give a directory that can be written") from None
    return out.resolve()


@contextlib.contextmanager
def lock(out: Path) -> Iterator[None]:
    """Lock the directory against a second sweep. The lock ends with its process, so it is never stale.

    Raises:
        RequestError: another sweep holds the directory; the message names its owner.
    """
    path = out / LOCK
    held = FileLock(path.with_suffix(".held"))
    try:
        held.acquire(timeout=0)
    except Timeout:
        owner = path.read_text(encoding="utf-8") if path.exists() else "another process"
        raise RequestError(
            f"--out is {str(out)!r}: a sweep is at work there ({owner}); wait, or give another"
        ) from None
    try:
        owner = f"process {os.getpid()} on {platform.node()} since {datetime.now():%Y-%m-%d %H:%M}"
        path.write_text(owner, encoding="utf-8")
        yield
    finally:
        path.unlink(missing_ok=True)
        held.release()


def archive_previous(out: Path) -> Path | None:
    """Move an earlier sweep's files to the first free name beside `out`, and return it; None if there are none."""
    with lock(out):
        if not SweepDir(out).manifest.exists():
            return None
        aside = next(path for n in count(1) if not (path := out.with_name(f"{out.name}.{n}")).exists())
        out.rename(aside)
    out.mkdir()
    (aside / LOCK).unlink(missing_ok=True)
    return aside


@dataclass(frozen=True)
class SweepManifest:
    """What `sweep.json` will say of this session, once nothing can refuse its request any more."""

    path: Path
    id: str
    """Identifier of the sweep, over all its sessions."""
    content: Mapping[str, Any]

    def write(self) -> None:
        files.write_text(self.path, json.dumps(self.content, indent=2, ensure_ascii=False))


def manifest(
    out: Path,
    script: str,
    request: Request,
    preset: str,
    bases: Mapping[str, Run],
    spaces: Mapping[str, Changes],
    shares: tuple[tuple[MethodName, ...], ShareUnit],
    resources: Mapping[str, float],
) -> SweepManifest:
    """Return the manifest of a session, after a check that an earlier session's is of the same sweep.

    `spaces` are whole, as `pare.search.space.apply.changes_of` returns them;
    `shares` are the methods and the unit of their shares, defaults filled in; `resources` are totals over all machines.

    Raises:
        RequestError: the directory holds another sweep.
        DataError: the file of an earlier session is damaged.
    """
    path = SweepDir(out).manifest
    identity = {"script": script, "preset": preset, "seed": request.seed}
    name = uuid.uuid4().hex[:8]
    definitions = {own.path: own.text for own in tasks.definitions()}
    recorded = {task: plain(space) for task, space in spaces.items()}
    if path.exists():
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
            name = earlier["id"]
            changed = [key for key, value in identity.items() if earlier[key] != value]
            before = earlier.get(_SPACE, {})
            for task, run in bases.items():
                if task in earlier["base"]:
                    searched = {*spaces[task].searched, *_searched(before.get(task))}
                    changed += _changes(run, earlier["base"][task], searched)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged ({error!r}): give another --out, or remove it") from None
        if changed:
            raise RequestError(
                f"--out is {str(out)!r}: it holds a sweep of other {', '.join(changed)}; give another, or start anew "
                "with --fresh"
            )
        recorded = {**before, **recorded}
        bases = {task: Run.from_flat(flat) for task, flat in earlier["base"].items()} | dict(bases)
        definitions |= {path: text for path, text in earlier.get(_DEFINITIONS, {}).items() if path not in definitions}
    content = {
        "id": name,
        **identity,
        "program": request.program or _program(script),
        "request": {key: _plain(value) for key, value in asdict(request).items()} | _storage(request),
        "methods": shares[0],
        "share": shares[1],
        _SPACE: recorded,
        "base": {task: run.flat() for task, run in bases.items()},
        "versions": {"python": platform.python_version(), **{each: _version(each) for each in _VERSIONS}},
        "commit": _commit(),
        "machine": {"system": platform.platform(), "resources": dict(resources)},
        _DEFINITIONS: definitions,
    }
    return SweepManifest(path, name, content)


def existing(out: Path | str) -> SweepDir:
    """Return the directory of a sweep that has begun.

    Raises:
        RequestError: it holds none.
    """
    found = SweepDir(Path(out))
    if not found.manifest.is_file():
        what = "holds no sweep" if found.path.is_dir() else "does not exist"
        raise RequestError(f"{out} {what}: give the directory that --out was, such as runs/nas360")
    return found


def adopt_tasks(out: Path) -> None:
    """Know the tasks of the user's own that the sweep in `out` has; of those in Python, only files that are still here.

    Raises:
        RequestError: `out` holds no sweep.
        DataError: its manifest is damaged.
    """
    path = existing(out).manifest
    try:
        known = {**json.loads(path.read_text(encoding="utf-8")).get(_DEFINITIONS, {}), **_of_models(out)}
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged ({error!r})") from None
    own = [tasks.Definition(at, text) for at, text in known.items() if at.endswith(".json") or _has(Path(at), text)]
    tasks.adopt([*own, *(each for each in tasks.definitions() if each.path not in known)])


def _of_models(out: Path) -> dict[str, str]:
    """Return the specifications in the models of `out`, for sweeps whose manifest had none yet."""
    configs = {path: json.loads(path.read_text(encoding="utf-8")) for path in out.glob("*/best/config.json")}
    return {str(path): json.dumps(config["own"]) for path, config in configs.items() if "own" in config}


def _has(path: Path, text: str) -> bool:
    """Whether a Python file of that content lies here: code is taken from its author's place, not from results."""
    return path.is_file() and path.read_text(encoding="utf-8") == text


def earlier_bases(out: Path) -> dict[str, Run]:
    """Read each task's base configuration from an earlier session's sweep.json; empty if that cannot be read."""
    try:
        base = json.loads(SweepDir(out).manifest.read_text(encoding="utf-8"))["base"]
        return {task: Run.from_flat(flat) for task, flat in base.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def earlier_shares(out: Path) -> tuple[tuple[MethodName, ...], ShareUnit] | None:
    """Read the methods and the unit of their shares from an earlier session's sweep.json; None if that cannot be read.

    Earlier versions searched `pare` by default, and gave methods the same number of trials.
    """
    try:
        earlier = json.loads(SweepDir(out).manifest.read_text(encoding="utf-8"))
        methods = earlier.get("methods") or earlier["request"]["methods"] or ("pare",)
        return tuple(methods), earlier.get("share", "trials")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _program(script: str) -> str:
    """Return how this process was started, if it is a script of sweeps; else the command that does the same."""
    path = Path(sys.argv[0])
    if path.suffix != ".py" or path.name == "__main__.py":
        return f"pare {script.replace('_', '-')}"
    return f"python {shlex.quote(os.path.relpath(path))}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # this package, if only its checkout is on the path
        return "not installed"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _storage(request: Request) -> dict[str, str]:
    """Return the study's URL without its password."""
    if request.study_storage is None:
        return {}
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return {"study_storage": make_url(request.study_storage).render_as_string(hide_password=True)}
    except ArgumentError:
        # The value itself may hold the password.
        raise RequestError(
            "--study-storage is no URL: give one of SQLAlchemy's, such as sqlite:///studies.db"
        ) from None


def _changes(run: Run, earlier: Mapping[str, Any], searched: Collection[str]) -> list[str]:
    """Return what has changed since an earlier configuration, apart from epochs and from settings that are searched.

    Settings that the earlier one lacks are newer than it.
    """
    free = {"epochs", *searched}
    if free & {"curriculum.start", "curriculum.end", "curriculum.ends", "curriculum.end_share"}:
        free |= {"curriculum.start", "curriculum.end"}
    before, now = Run.from_flat(earlier).flat(), run.flat()
    names = [name for name in now if name not in free and before[name] != now[name]]
    told = "; ".join(f"{name} {before[name]}, now {now[name]}" for name in names)
    return [f"settings of {run.task} ({told})"] if names else []


def _searched(record: Mapping[str, Any] | None) -> Collection[str]:
    """Return the settings that an earlier session searched; earlier versions kept no record of them."""
    if record is not None:
        return list(record["search"])
    from pare.search.study.space import for_run  # with Optuna

    any_run = Run(task="", data="", body="", source="", source_data="")
    return [dimension.name for dimension in for_run(any_run, "2d").dimensions]


def _commit() -> str | None:
    """Return the commit of a source checkout; None for an installed package."""
    git = shutil.which("git")
    if git is None:
        return None
    here = Path(__file__).parent
    answer = subprocess.run(  # noqa: S603 - fixed arguments
        [git, "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None

"""The user's changes to a search space: settings that are fixed or searched, from options or a TOML file.

Imports no Optuna, so that a wrong name or value is refused at once.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pare.config import Run
from pare.errors import RequestError

_OPTIONS = {
    "task": "--tasks",
    "data": "--data-root",
    "body": "--body",
    "source": "--source",
    "source_data": "--data-root",
    "method": "--methods",
    "seed": "--seed",
}
"""Settings of a run that have an option of their own."""

DERIVED: Mapping[str, Any] = {"curriculum.end_share": float, "curriculum.ends": Literal["share", "zero"]}
"""Types of what only a space has: the curriculum's end as a share of its start, or whether it is that or zero."""

_LENIENT = {"curriculum.start": 1.0, "curriculum.end": 0.0, "optimizer.warmup": 0.0, "optimizer.decay_until": math.inf}
"""Values beside which every valid value of another setting is valid."""


@dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`; without a `scale`, that of the setting's own interval, else linear."""

    low: float
    high: float
    scale: Literal["log", "linear"] | None = None

    def __str__(self) -> str:
        return f"{self.low}:{self.high}" + (f":{self.scale}" if self.scale else "")


@dataclass(frozen=True)
class Choices:
    """Some values of a setting."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Changes:
    """Settings that are fixed, by value, and settings that are searched, by domain."""

    fixed: Mapping[str, Any] = field(default_factory=dict)
    searched: Mapping[str, Interval | Choices] = field(default_factory=dict)

    def then(self, later: Changes) -> Changes:
        """Return these changes with later ones, which replace those of the same setting."""
        again = {*later.fixed, *later.searched}
        fixed, searched = ({n: v for n, v in own.items() if n not in again} for own in (self.fixed, self.searched))
        return Changes({**fixed, **later.fixed}, {**searched, **later.searched})


def parse(fixed: Sequence[str], searched: Sequence[str]) -> Changes:
    """Return the changes of `--set NAME=VALUE` and `--search NAME=DOMAIN`.

    Raises:
        RequestError: a name or a value is wrong, or a setting is named twice.
    """
    given: dict[str, dict[str, str]] = {"--set": {}, "--search": {}}
    for option, texts, form in (("--set", fixed, "VALUE"), ("--search", searched, "LOW:HIGH, or NAME=A,B")):
        for text in texts:
            name, equals, value = (part.strip() for part in text.partition("="))
            if not (name and equals and value):
                raise RequestError(f"{option} is {text!r}: give NAME={form}")
            if any(name in own for own in given.values()):
                raise RequestError(f"{option} names {name} again: name each setting once")
            given[option][name] = value
    return _changes(given["--set"], given["--search"], "--set", "--search")


def load(path: Path) -> Changes:
    """Read the changes in a TOML file with the tables [set] and [search], of settings by dotted name.

    Raises:
        RequestError: it cannot be read, or a name or a value in it is wrong.
    """
    option = f"--space-file is {str(path)!r}"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"{option}: {error.strerror}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise RequestError(f"{option}, which is no TOML: {' '.join(str(error).split())}") from None
    for name, table in tables.items():
        if name not in ("set", "search") or not isinstance(table, dict):
            raise RequestError(f"{option}: it has {name!r}; give tables [set] and [search]")
    fixed, searched = (_flat(tables.get(name, {})) for name in ("set", "search"))
    for name in fixed.keys() & searched.keys():
        raise RequestError(f"{option}: {name} is in both tables; name each setting once")
    return _changes(fixed, searched, f"{path}: [set]", f"{path}: [search]")


def dump(changes: Changes, heading: str) -> str:
    """Return the changes as a TOML file that `load` reads, below a comment."""
    lines = [f"# {heading}"]
    for table, values in (("set", changes.fixed), ("search", changes.searched)):
        lines += ["", f"[{table}]", *(f"{name} = {_toml(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def plain(changes: Changes) -> dict[str, Any]:
    """Return the changes as JSON holds them."""
    searched = {n: list(d.values) if isinstance(d, Choices) else str(d) for n, d in changes.searched.items()}
    return {"set": dict(changes.fixed), "search": searched}


def settings() -> dict[str, Any]:
    """Return the type of every setting of a run that may be fixed or searched, by its dotted name."""
    return {name: kind for name, kind in _kinds(Run, "").items() if name not in _OPTIONS}


def _changes(fixed: Mapping[str, Any], searched: Mapping[str, Any], set_: str, search: str) -> Changes:
    for name in fixed:
        if name in DERIVED:
            raise RequestError(f"{set_} {name}: it can only be searched; fix curriculum.end instead")
    known = settings()
    values = {name: _value(known[_known(set_, name, known)], f"{set_} {name}", value) for name, value in fixed.items()}
    for name, value in values.items():
        _require_accepted(f"{set_} {name}", name, value)
    known |= DERIVED
    domains = {
        name: _domain(known[_known(search, name, known)], f"{search} {name}", name, given)
        for name, given in searched.items()
    }
    return Changes(values, domains)


def _known(option: str, name: str, known: Mapping[str, Any]) -> str:
    """Return the name of a setting.

    Raises:
        RequestError: there is none of that name; the message has the nearest.
    """
    if name in known:
        return name
    if name in _OPTIONS:
        raise RequestError(f"{option} {name}: give it by {_OPTIONS[name]}")
    same = [each for each in known if each.rpartition(".")[2] == name.rpartition(".")[2]]
    ends = {each.rpartition(".")[2]: each for each in reversed(list(known))}
    close = get_close_matches(name, known, 1, 0.5) or [ends[end] for end in get_close_matches(name, ends, 1, 0.5)]
    nearest = " or ".join(same or close)
    hint = f"did you mean {nearest}?" if nearest else "--space shows all"
    raise RequestError(f"{option} {name}: a run has no such setting; {hint}")


def _value(kind: Any, option: str, value: Any) -> Any:
    """Return a value as its type; a text is read, as an option gives it."""
    try:
        if get_origin(kind) is Literal:
            return {str(choice): choice for choice in get_args(kind)}[value]
        if kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        number = kind(value)
        if not math.isfinite(number) or (not isinstance(value, str) and number != value):
            raise ValueError
        return number
    except (KeyError, TypeError, ValueError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}
        what = wanted.get(kind) or f"one of {', '.join(map(str, get_args(kind)))}"
        raise RequestError(f"{option} is {value!r}: give {what}") from None


def _domain(kind: Any, option: str, name: str, given: Any) -> Interval | Choices:
    """Return the domain of a setting from LOW:HIGH[:SCALE], from A,B or from a list of values."""
    if isinstance(given, str) and "," not in given and ":" in given:
        return _interval(kind, option, name, given)
    parts = [part.strip() for part in given.split(",")] if isinstance(given, str) else given
    if not isinstance(parts, list | tuple) or len(parts) < 2:
        raise RequestError(f"{option} is {given!r}: give LOW:HIGH or A,B; one value is fixed by --set {name}=VALUE")
    values = tuple(_value(kind, option, part) for part in parts)
    if len(set(values)) < len(values):
        raise RequestError(f"{option} is {given!r}: give each value once")
    for value in values:
        _require_accepted(option, name, value)
    return Choices(values)


def _interval(kind: Any, option: str, name: str, given: str) -> Interval:
    if kind not in (int, float):
        raise RequestError(f"{option} is {given!r}, but it is no number: give some of {', '.join(_all(kind))}")
    low, high, *scale = given.split(":")
    if len(scale) > 1 or any(each not in ("log", "linear") for each in scale):
        raise RequestError(f"{option} is {given!r}: give LOW:HIGH, LOW:HIGH:log or LOW:HIGH:linear")
    ends = [_value(kind, option, end.strip()) for end in (low, high)]
    if not ends[0] < ends[1]:
        raise RequestError(f"{option} is {given!r}: give a lower end below the upper one")
    if scale == ["log"] and ends[0] <= 0:
        raise RequestError(f"{option} is {given!r}: a logarithmic scale begins above 0")
    for end in ends:
        _require_accepted(option, name, end)
    return Interval(ends[0], ends[1], scale[0] if scale else None)  # type: ignore[arg-type]


def _all(kind: Any) -> tuple[str, ...]:
    return ("true", "false") if kind is bool else tuple(map(str, get_args(kind)))


def _require_accepted(option: str, name: str, value: Any) -> None:
    """Raise RequestError if a run does not accept a value, whatever its other settings."""
    if name == "curriculum.end_share":
        if not 0 <= value <= 1:
            raise RequestError(f"{option} is {value!r}: give shares from 0 to 1")
    elif name not in DERIVED:
        try:
            Run(task="", data="", body="", source="", source_data="").replace(_LENIENT).replace({name: value})
        except RequestError as error:
            raise RequestError(f"{option}: {error}") from None


def _kinds(config: Any, prefix: str) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    for name, kind in get_type_hints(config).items():
        nested = dataclasses.is_dataclass(kind)
        kinds |= _kinds(kind, f"{prefix}{name}.") if nested else {f"{prefix}{name}": kind}
    return kinds


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _toml(value: Any) -> str:
    if isinstance(value, Choices):
        return f"[{', '.join(map(_toml, value.values))}]"
    return json.dumps(str(value) if isinstance(value, Interval) else value, ensure_ascii=False)

"""Print on terminals and files whose encoding lacks some characters."""

from __future__ import annotations

import codecs
import io
import sys

_PLAIN = dict(
    zip("−–—×…·•’“”\u00a0\u202f", ("-", "-", "-", "x", "...", "-", "-", "'", '"', '"', " ", " "), strict=True)
)
_PLAIN |= {"±": "+-", "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "≈": "~", "²": "2", "³": "3", "₈": "8"}
_PLAIN |= {"ρ": "rho", "τ": "tau", "λ": "lambda"}


def print_anywhere() -> None:
    """Make standard output and error replace missing characters by the nearest: a minus stays a minus."""
    codecs.register_error("pare.plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="pare.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(character, "?") for character in error.object[error.start : error.end]), error.end

"""Errors with one-line messages for the user."""

import errno

_FULL = ("No space left on device", "Disk quota exceeded", "database or disk is full")
"""Messages of a full disk from libraries that do not pass on the errno."""

_QUOTED = 60


class RequestError(ValueError):
    """The request is wrong or cannot be met.

    The message is one line that names the problem, the value and the remedy. Scripts print it and exit with 2.
    """


class DataError(RequestError):
    """A data file is missing, truncated or not what its format promises; the message names the file."""


class ClusterError(RuntimeError):
    """The cluster no longer gives what a sweep needs; the message is one line: the cause, the remedy.

    Scripts print it and exit with 1; the same command resumes the sweep.
    """


class TrainingError(RuntimeError):
    """A run cannot go on (its loss became NaN, say); the message is the reason its trial failed."""


class DiskFull(TrainingError):  # noqa: N818 - the name says what it is
    """The disk is full; the configuration is not at fault, and the run can resume when there is space again."""


class Preempted(TrainingError):  # noqa: N818 - the name says what it is
    """The machine will be taken away; the run saved a checkpoint, from which it resumes elsewhere."""


class BucketError(RuntimeError):
    """The bucket of a sweep is unreachable or taken by another sweep; the message says where the results are."""


class Stopped(Exception):  # noqa: N818 - not an error
    """A run was told to end before its last epoch."""


def quoted(value: object) -> str:
    """Quote a name or a cell of a user's file for a message; cut it if it is long."""
    text = repr(str(value))
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error or one of its causes is a full disk or quota."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if isinstance(error, DiskFull) or any(words in str(error) for words in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False

"""The errors a user can cause, told in one line each."""


class RequestError(ValueError):
    """The request is wrong or cannot be met.

    The message is one line: what was wrong, the value, the remedy. Scripts print it and exit with 2.
    """


class DataError(RequestError):
    """A data file is missing, truncated or not what its format promises; the message names the file."""


class TrainingError(RuntimeError):
    """A run cannot go on (its loss became NaN, say); the message is the reason its trial failed."""


class Stopped(Exception):  # noqa: N818 - not an error
    """A run was told to end before its last epoch."""

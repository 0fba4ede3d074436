"""Errors that a user can act on: each says what is wrong, what came and what to do."""


class JobtoolError(Exception):
    """Base of every error that the program shows as one line instead of a traceback."""


class DataError(JobtoolError, ValueError):
    """Bad input: a file, a row, a label or an option that can't be used as it is."""


class ModelError(JobtoolError):
    """A saved model that is missing, half written, changed, or made by another version."""


class WorkerError(JobtoolError):
    """A worker process that was killed, ran out of memory, or failed."""

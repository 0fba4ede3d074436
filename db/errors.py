"""Errors that a user can act on: each says what is wrong, what came and what to do."""


class StoreError(Exception):
    """A database, or something in it, that can't be used as it is."""


class OutdatedError(StoreError):
    """A database whose tables are of another version of jobtool."""

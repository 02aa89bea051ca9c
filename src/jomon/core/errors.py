"""Errors that a user can act on: one sentence that says what is wrong, where, and what to do.

The doors (command line, server, pages) print them as they are and exit with `exit_status`; everything else that is
raised is a defect of jomon itself.
"""

from __future__ import annotations


class JomonError(Exception):
    """Something the user or the world got wrong; its text is one sentence for the user."""

    exit_status = 2


class SpecError(JomonError):
    """The project file says something that cannot be; `problems` holds one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class DataError(JomonError):
    """A table does not hold what the project file promises of it."""


class UnknownNameError(JomonError):
    """A name, tag, digest or segment that the store or the image does not have."""


class StoreError(JomonError):
    """The store cannot do what was asked: locked, full, newer than this program, or not a store."""


class MovedError(StoreError):
    """A name means another image than the one it was to be moved from: somebody else was quicker."""


class CorruptError(StoreError):
    """Bytes that do not match their digest, or a file that was cut short."""


class BuildError(JomonError):
    """A build that cannot go on, or that ended without a single member that answers."""


class PredictError(JomonError):
    """Rows that a fleet refuses: a column is missing, mistyped or not finite."""

"""The section `serving` of the project file: how requests are read, recorded, and joined by their outcomes."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from jomon.core.spec_types import Duration, DurationOrNone, Model, Name, Refresh, Wait


class LogSpec(Model):
    """What is recorded of every answer, and how long it is kept.

    `sync` is what a power cut may take (0: every record is on the disk before its answer is sent; whatever it is,
    a killed process loses nothing). `sample` is the share of requests that are recorded. `retention` counts from
    the day of the request; null keeps rows for ever. Columns of `leave_out` are not recorded, those of `hash` are
    recorded as a keyed hash, also within the names of segments; drift of either cannot be watched, and the fast
    parts cannot learn from recorded rows if they miss what their models need, so `refresh` is then refused.
    """

    sync: Wait = timedelta(milliseconds=100)
    sample: float = Field(default=1.0, ge=0, le=1)
    retention: DurationOrNone = timedelta(days=90)
    leave_out: tuple[Name, ...] = ()
    hash: tuple[Name, ...] = ()

    @property
    def hidden(self) -> tuple[str, ...]:
        """The columns whose values are not in the log: left out, then hashed."""
        return (*self.leave_out, *self.hash)


class OutcomesSpec(Model):
    """What becomes of outcomes that come late, or that differ from one that came before.

    An outcome is late if it comes more than `late_after` after its row's time (null: none is); `accept` uses it,
    `refuse` keeps it, marked, and does not use it. Of two different values for one prediction the `last` counts,
    or the `first`, or with `refuse` none until a person decides.
    """

    late_after: DurationOrNone = None
    late: Literal["accept", "refuse"] = "accept"
    conflicting: Literal["last", "first", "refuse"] = "last"


class ServingSpec(Model):
    """How a server treats requests and keeps what it answered.

    A row without its time is refused, or with `time: now` takes the server's clock. `unknown_columns` are columns
    that the file does not declare. `refresh` is how often outcomes of closed days are learned by the fast parts,
    as a new image under the same tag. `lookups` says how often the source of a lookup is read again for the
    server's copy; one that is not named is copied when data is ingested.
    """

    time: Literal["required", "now"] = "required"
    unknown_columns: Literal["refuse", "ignore"] = "refuse"
    refresh: Refresh = "off"
    lookups: dict[Name, Duration] = Field(default_factory=dict)
    log: LogSpec = LogSpec()
    outcomes: OutcomesSpec = OutcomesSpec()

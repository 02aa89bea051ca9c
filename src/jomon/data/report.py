"""What an ingest did: rows in and out of every layer, and the check that the sums agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from jomon.core.errors import DataError


@dataclass(frozen=True)
class TableReport:
    """One table after the ingest: its version, the digest of what it holds, and its rows."""

    version: int
    digest: str
    rows: int


@dataclass(frozen=True)
class LookupReport:
    """One lookup: rows of its source, of these seen before and new, rows of its table, unusable ones."""

    source: int
    seen: int
    new: int
    rows: int
    unusable: int
    unusable_by_reason: Mapping[str, int]
    missing: int | None
    """Gold rows written by this ingest for which it had nothing; None where none was written."""


@dataclass(frozen=True)
class IngestReport:
    """Rows in and out of every layer.

    `source` rows were read, of which `seen` were in bronze already and `new` were appended. Of all `bronze`
    rows, `silver` met the contract, `quarantine` did not, `replaced` gave way to a later row of their key,
    and `dropped` were later rows of a key of which the first stays (`duplicates: first`). Of the silver
    rows, `gold` are ready to learn from and `held` lack the value of a lookup that demands one;
    `without_outcome` have no target yet. `by_reason` counts quarantined rows by reason (a row may have
    several). `notes` are sentences for people.
    """

    ingest: str
    source: int
    seen: int
    new: int
    bronze: int
    silver: int
    quarantine: int
    replaced: int
    dropped: int
    gold: int
    held: int
    without_outcome: int
    by_reason: Mapping[str, int] = field(default_factory=dict)
    lookups: Mapping[str, LookupReport] = field(default_factory=dict)
    tables: Mapping[str, TableReport] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def check(self) -> IngestReport:
        """Itself; raises `DataError` where the sums do not agree: a table was changed by hand."""
        sums = [
            ("source", self.source, "seen + new", self.seen + self.new),
            (
                "bronze",
                self.bronze,
                "silver + quarantine + replaced + dropped",
                self.silver + self.quarantine + self.replaced + self.dropped,
            ),
            ("silver", self.silver, "gold + held", self.gold + self.held),
        ]
        for name, rows, parts, total in sums:
            if rows != total:
                raise DataError(
                    f"The rows do not add up: {name} has {rows}, {parts} come to {total}: the tables were "
                    "changed by another program, ingest afresh."
                )
        return self

    def to_json(self) -> dict[str, Any]:
        """A JSON-able document."""
        return {**asdict(self), "notes": list(self.notes)}

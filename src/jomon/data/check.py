"""The contract held against the data without writing anything: what an ingest would keep, and why not the
rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from jomon.core.spec import ProjectSpec
from jomon.data.bronze import META, numbered
from jomon.data.contract import Contract
from jomon.data.duplicates import SEEN_BEFORE, settle
from jomon.data.lookups import LookupTable, join_lookups
from jomon.data.sources import describe, read_source
from jomon.data.tables import REASONS, ROW, storable

EXAMPLES = 5  # sentences per check: enough to see what is wrong, few enough to read


@dataclass(frozen=True)
class CheckReport:
    """What an ingest into empty tables would do.

    Of `rows` rows, `good` would reach silver, `bad` break the contract (`by_reason` counts rows by reason),
    `twice` have a key seen before. `without_outcome` good rows have no target. `missing` counts, for each
    lookup, good rows for which it has nothing, `unusable` the lookup's own rows that break the contract.
    `examples` are reasons of single rows, in words.
    """

    rows: int
    columns: tuple[str, ...]
    good: int
    bad: int
    twice: int
    without_outcome: int
    by_reason: Mapping[str, int]
    missing: Mapping[str, int]
    unusable: Mapping[str, int]
    examples: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON-able document."""
        return {**asdict(self), "columns": list(self.columns), "examples": list(self.examples)}


def source_columns(project_dir: Path | str, spec: ProjectSpec) -> tuple[str, ...]:
    """The columns of the project's source; raises `DataError` where it cannot be read or has no rows."""
    return tuple(read_source(Path(project_dir), spec.data.source).columns)


def check_data(project_dir: Path | str, spec: ProjectSpec) -> CheckReport:
    """Hold every row of the project's sources against the contract; nothing is written.

    Raises `DataError` in one sentence where an ingest would raise it.
    """
    project = Path(project_dir)
    source = read_source(project, spec.data.source)
    contract = Contract(spec, kept=(ROW,))
    contract.require_columns(source.columns, f"the source ({describe(spec.data.source)})")
    checked = contract.check(numbered(storable(source)))
    settled = settle(checked.good, checked.good.clear(), spec.data)
    tables = {
        name: LookupTable.build(
            name, numbered(storable(read_source(project, lookup.source, f"the lookup {name}"))), spec
        )
        for name, lookup in spec.lookups.items()
    }
    time = settled.kept[spec.data.time].to_physical().to_numpy()
    joined = join_lookups(settled.kept, time, spec, tables)
    reasons = dict(checked.reasons)
    twice = settled.duplicates.height
    if twice and spec.data.duplicates == "quarantine":
        reasons[SEEN_BEFORE] = twice
    told = checked.bad.select(ROW, pl.col(REASONS).list.join("; ").alias("sentence"))
    told = pl.concat([told, settled.duplicates]).sort(ROW).head(EXAMPLES)
    return CheckReport(
        rows=source.height,
        columns=tuple(name for name in source.columns if name not in META),
        good=settled.kept.height,
        bad=checked.bad.height,
        twice=twice,
        without_outcome=settled.kept[spec.data.target.column].null_count(),
        by_reason=reasons,
        missing=joined.missing,
        unusable={name: table.checked.bad.height for name, table in tables.items()},
        examples=tuple(f"row {row}: {sentence}" for row, sentence in told.iter_rows()),
    )

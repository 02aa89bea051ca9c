"""Ingest: source to bronze, silver, quarantine and gold, each table in one transaction, safe to repeat.

Bronze is the record; every other table is a function of it and of the project file, and says in its last
commit how many bronze rows it has taken account of and by which rules. An ingest that died between two
tables is therefore finished by the next one, and a changed contract or feature list rewrites what depends
on it, and nothing else.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from jomon.core.errors import DataError
from jomon.core.spec import ProjectSpec
from jomon.data.bronze import Arrivals, arrivals, store
from jomon.data.golden import Golden
from jomon.data.locks import exclusive
from jomon.data.lookup_run import LookupRun
from jomon.data.report import IngestReport, TableReport
from jomon.data.silver import SilverWriter
from jomon.data.sources import describe, read_source
from jomon.data.tables import LayerTable

TABLES = ".jomon/tables"
COPIES = ".jomon/lookups"
LOCK = ".jomon/ingest.lock"
Progress = Callable[[str], None]
"""Called with the name of each step as it ends: `source`, `lookups`, `checked`, then each table written."""


def tables_root(project_dir: Path | str, root: Path | str | None = None) -> Path | str:
    """Where the tables of a project are: `root` (a folder or URL), else `.jomon/tables` in it."""
    return Path(project_dir) / TABLES if root is None else root


def ingest(
    project_dir: Path | str,
    spec: ProjectSpec,
    root: Path | str | None = None,
    fresh: bool = False,
    progress: Progress = lambda step: None,
    copies: Path | None = None,
) -> IngestReport:
    """Read the project's sources and bring every table up to date; see `IngestReport` for what it tells.

    `copies` is the folder of the lookups' serving copies, `.jomon/lookups` in the project if it is not told.

    The same source twice adds nothing. `fresh` starts all tables anew from this source (older versions stay
    in the Delta logs). Another ingest of the same project is waited for. Raises `DataError` in one sentence
    where the source or the tables cannot be used; nothing is written then.
    """
    project = Path(project_dir)
    where = tables_root(project, root)
    with exclusive(project / LOCK, lambda: progress("waiting for another ingest")):
        return _Ingest(project, spec, where, copies or project / COPIES, fresh, progress).run()


def ingest_id() -> str:
    """A name for one run, which no other has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


class _Ingest:
    """One run: what is read is kept until every table that needs it is written."""

    def __init__(
        self,
        project: Path,
        spec: ProjectSpec,
        root: Path | str,
        copies: Path,
        fresh: bool,
        progress: Progress,
    ) -> None:
        self.project, self.spec, self.root, self.copies, self.fresh = project, spec, root, copies, fresh
        self.id = ingest_id()
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._began = time.perf_counter()

    def _done(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = round(now - self._began, 4)
        self._began = now
        self._progress(step)

    def run(self) -> IngestReport:
        """Read everything, judge everything, then write table after table."""
        bronze = LayerTable(self.root, "bronze")
        writer = SilverWriter(self.root, self.spec, self.fresh)
        source = read_source(self.project, self.spec.data.source)
        writer.contract.require_columns(source.columns, f"the source ({describe(self.spec.data.source)})")
        self._done("source")
        lookups = [self._lookup(name) for name in self.spec.lookups]
        self._done("lookups")
        new = arrivals(bronze, source, self.id, self.fresh)
        self._refuse_lacking(bronze)
        judged = writer.judge(bronze, new)
        self._done("checked")
        for lookup in lookups:
            lookup.write(self.copies, self.spec, self.fresh)
            self._done(lookup.table.name)
        store(bronze, new, self.fresh)
        self._done("bronze")
        writer.write_quarantine(judged, self.id)
        self._done("quarantine")
        writer.write_silver(judged, self.id)
        self._done("silver")
        contents = {run.built.name: str(run.table.state.digest) for run in lookups if run.table.state}
        golden = Golden(self.root, self.spec, {run.built.name: run.built for run in lookups}, contents)
        missing = golden.update(writer.silver, self.id, self.fresh)
        self._done("gold")
        tables = [bronze, writer.silver, writer.quarantine, golden.gold]
        return replace(
            _layers(self.id, new, tables),
            lookups={run.built.name: run.report(missing) for run in lookups},
            tables=dict(_table_reports([*tables, *(run.table for run in lookups)])),
            notes=(*writer.notes(), *golden.notes()),
            seconds=self.seconds,
        ).check()

    def _lookup(self, name: str) -> LookupRun:
        now = time.time_ns() // 1000
        return LookupRun.read(self.project, self.root, self.spec, name, self.id, now, self.fresh)

    def _refuse_lacking(self, bronze: LayerTable) -> None:
        """A column that older bronze rows lack would be missing in all history without anybody noticing."""
        if self.fresh or bronze.state is None or self.spec.data.duplicates == "last":
            return
        have = bronze.columns
        for name in self.spec.columns_needed():
            if name not in have:
                raise DataError(
                    f"The source now has the column {name!r}, which {bronze.state.rows} rows in bronze came "
                    "without: ingest afresh (--fresh), or declare data.duplicates as last so that rows that "
                    "come again take their place."
                )


def _layers(ingest: str, new: Arrivals, tables: Sequence[LayerTable]) -> IngestReport:
    """Rows in and out of bronze, silver, quarantine and gold, from what their last commits say."""
    states = {table.name: table.state for table in tables if table.state is not None}
    rows = {name: state.rows for name, state in states.items()}
    counts = states["silver"].counts
    return IngestReport(
        ingest=ingest,
        source=new.source,
        seen=new.seen,
        new=new.rows.height,
        bronze=rows["bronze"],
        silver=rows["silver"],
        quarantine=rows["quarantine"],
        replaced=counts["replaced"],
        dropped=counts["dropped"],
        gold=rows["gold"],
        held=sum(states["gold"].counts["held"].values()),
        without_outcome=counts["without_outcome"],
        by_reason=dict(states["quarantine"].counts["reasons"]),
    )


def _table_reports(tables: Sequence[LayerTable]) -> Iterator[tuple[str, TableReport]]:
    for table in tables:
        if table.state is not None:
            yield table.name, TableReport(table.version, str(table.state.digest), table.state.rows)

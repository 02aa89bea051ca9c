"""Ingest: source to bronze, silver, quarantine and gold, each table in one transaction, safe to repeat.

Bronze is the record; every other table is a function of it and of the project file, and says in its last commit how
many bronze rows it has taken account of and by which rules. An ingest that died between two tables is therefore
finished by the next one, and a changed contract or feature list rewrites what depends on it, and nothing else.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jomon.core.spec import ProjectSpec
from jomon.data.bronze import Arrivals, arrivals, store, with_new
from jomon.data.golden import Golden
from jomon.data.locks import exclusive
from jomon.data.lookups import LookupTable
from jomon.data.report import IngestReport, LookupReport, TableReport
from jomon.data.silver import SilverWriter
from jomon.data.sources import describe, read_source
from jomon.data.tables import LayerTable

TABLES = ".jomon/tables"
LOOKUP = "lookup_"
Progress = Callable[[str], None]
"""Called with the name of each step as it ends: `source`, `lookups`, `checked`, then each table written."""


def tables_root(project_dir: Path | str, root: Path | str | None = None) -> Path | str:
    """Where the tables of a project are: `root` (a folder or an object store URL), else `.jomon/tables` in it."""
    return Path(project_dir) / TABLES if root is None else root


def ingest(
    project_dir: Path | str,
    spec: ProjectSpec,
    root: Path | str | None = None,
    fresh: bool = False,
    progress: Progress = lambda step: None,
) -> IngestReport:
    """Read the project's sources and bring every table up to date; see `IngestReport` for what it tells.

    The same source twice adds nothing. `fresh` starts all tables anew from this source (older versions stay in the
    Delta logs). Another ingest of the same project is waited for. Raises `DataError` in one sentence where the source
    or the tables cannot be used; nothing is written then.
    """
    project = Path(project_dir)
    where = tables_root(project, root)
    with exclusive(project / ".jomon" / "ingest.lock", lambda: progress("waiting for another ingest")):
        return _Ingest(project, spec, where, fresh, progress).run()


class _Ingest:
    """One run: what is read is kept until every table that needs it is written."""

    def __init__(self, project: Path, spec: ProjectSpec, root: Path | str, fresh: bool, progress: Progress):
        self.project, self.spec, self.root, self.fresh = project, spec, root, fresh
        self.id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        self._progress = progress
        self._began = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def _done(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = round(self.seconds.get(step, 0.0) + now - self._began, 4)
        self._began = now
        self._progress(step)

    def run(self) -> IngestReport:
        bronze = LayerTable(self.root, "bronze")
        silver = SilverWriter(self.root, self.spec, self.fresh)
        source = read_source(self.project, self.spec.data.source)
        silver.contract.require_columns(source.columns, f"the source ({describe(self.spec.data.source)})")
        self._done("source")
        lookups, lookup_news = self._lookups()
        self._done("lookups")
        new = arrivals(bronze, source, self.id, self.fresh)
        self._refuse_lacking(bronze, new)
        judged = silver.judge(bronze, new)
        self._done("checked")
        for name, (table, news) in lookup_news.items():
            store(table, news, self.id, self.fresh)
            self._done(f"{LOOKUP}{name}")
        store(bronze, new, self.id, self.fresh)
        self._done("bronze")
        silver.write_quarantine(judged, self.id)
        self._done("quarantine")
        silver.write_silver(judged, self.id)
        self._done("silver")
        contents = {n: str(t.state.digest) for n, (t, _) in lookup_news.items() if t.state is not None}
        golden = Golden(self.root, self.spec, lookups, contents)
        missing = golden.update(silver.silver, self.id, self.fresh)
        self._done("gold")
        return self._report(new, bronze, silver, golden, lookups, lookup_news, missing)

    def _lookups(self) -> tuple[dict[str, LookupTable], dict[str, tuple[LayerTable, Arrivals]]]:
        built: dict[str, LookupTable] = {}
        news: dict[str, tuple[LayerTable, Arrivals]] = {}
        for name, lookup in self.spec.lookups.items():
            table = LayerTable(self.root, LOOKUP + name)
            frame = read_source(self.project, lookup.source, f"the lookup {name}")
            new = arrivals(table, frame, self.id, self.fresh)
            built[name] = LookupTable.build(name, with_new(table, new, 0, self.fresh), self.spec)
            news[name] = (table, new)
        return built, news

    def _refuse_lacking(self, bronze: LayerTable, new: Arrivals) -> None:
        """A column that older bronze rows lack would be missing in all history without anybody noticing."""
        from jomon.core.errors import DataError

        if self.fresh or not bronze.exists or self.spec.data.duplicates == "last":
            return
        lacking = [name for name in self.spec.columns_needed() if name not in bronze.columns]
        if lacking:
            rows = bronze.state.rows if bronze.state else 0
            raise DataError(
                f"The source now has the column {lacking[0]!r}, which the {rows} rows in bronze came without: ingest "
                "afresh (--fresh), or declare data.duplicates as last so that rows that come again take their place."
            )

    def _report(
        self,
        new: Arrivals,
        bronze: LayerTable,
        silver: SilverWriter,
        golden: Golden,
        lookups: dict[str, LookupTable],
        lookup_news: dict[str, tuple[LayerTable, Arrivals]],
        missing: dict[str, int] | None,
    ) -> IngestReport:
        tables = [
            bronze,
            silver.silver,
            silver.quarantine,
            golden.gold,
            *(t for t, _ in lookup_news.values()),
        ]
        counts: dict[str, Any] = dict(silver.silver.state.counts) if silver.silver.state else {}
        gold_counts: dict[str, Any] = dict(golden.gold.state.counts) if golden.gold.state else {}
        rows = {t.name: t.state.rows if t.state else 0 for t in tables}
        return IngestReport(
            ingest=self.id,
            source=new.source,
            seen=new.seen,
            new=new.rows.height,
            bronze=rows["bronze"],
            silver=rows["silver"],
            quarantine=rows["quarantine"],
            replaced=counts.get("replaced", 0),
            dropped=counts.get("dropped", 0),
            gold=rows["gold"],
            held=sum(gold_counts.get("held", {}).values()),
            without_outcome=counts.get("without_outcome", 0),
            by_reason=dict(silver.quarantine.state.counts.get("reasons", {}))
            if silver.quarantine.state
            else {},
            lookups={
                name: LookupReport(
                    source=news.source,
                    seen=news.seen,
                    new=news.rows.height,
                    rows=table.state.rows if table.state else 0,
                    unusable=lookups[name].checked.bad.height,
                    unusable_by_reason=lookups[name].checked.reasons,
                    missing=None if missing is None else missing.get(name, 0),
                )
                for name, (table, news) in lookup_news.items()
            },
            tables={
                t.name: TableReport(t.version, str(t.state.digest), t.state.rows) for t in tables if t.state
            },
            notes=tuple(silver.notes() + golden.notes()),
            seconds=self.seconds,
        ).check()

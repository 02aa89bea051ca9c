"""One reading of a lookup's source: what is new goes into its table, all of it into the copy that servers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jomon.core.spec import ProjectSpec
from jomon.data.bronze import Arrivals, arrivals, store, with_new
from jomon.data.lookup_copy import write_copy
from jomon.data.lookups import LookupTable
from jomon.data.report import LookupReport
from jomon.data.sources import read_source
from jomon.data.tables import ROW, LayerTable

LOOKUP = "lookup_"
"""Before the name of a lookup in that of its table."""
FILES_KEPT = 200
"""Files of a lookup's table that are read beside one another; one more, and they are written as one."""


@dataclass(frozen=True)
class LookupRun:
    """One lookup of a run: its table, the rows that are new to it, and all of them ready to be searched."""

    table: LayerTable
    new: Arrivals
    built: LookupTable
    read_us: int
    """When the source was read, in microseconds UTC."""

    @classmethod
    def read(
        cls,
        project: Path,
        root: Path | str,
        spec: ProjectSpec,
        name: str,
        ingest: str,
        read_us: int,
        fresh: bool = False,
    ) -> LookupRun:
        """Read the source of the lookup `name` beside its table under `root`; nothing is written.

        `ingest` names the run, `read_us` is now in microseconds UTC. Raises `DataError` where the source cannot be read
        or its rows cannot be joined as declared.
        """
        table = LayerTable(root, LOOKUP + name)
        source = read_source(project, spec.lookups[name].source, f"the lookup {name}")
        new = arrivals(table, source, ingest, fresh)
        built = LookupTable.build(name, with_new(table, new, 0, fresh), spec)
        return cls(table, new, built, read_us)

    def write(self, copies: Path, spec: ProjectSpec, fresh: bool = False) -> None:
        """Store the new rows, then bring the copy in the folder `copies` up to date."""
        store(self.table, self.new, fresh)
        if self.table.files > FILES_KEPT and self.table.state is not None:
            self.table.replace(self.table.read().sort(ROW), self.table.state)
        write_copy(copies, self.built, spec, self.read_us)

    def report(self, missing: Mapping[str, int] | None) -> LookupReport:
        """What came and what is there; `missing` counts rows without a value by lookup."""
        return LookupReport(
            source=self.new.source,
            seen=self.new.seen,
            new=self.new.rows.height,
            rows=self.table.state.rows if self.table.state else 0,
            unusable=self.built.checked.bad.height,
            unusable_by_reason=self.built.checked.reasons,
            missing=None if missing is None else missing.get(self.built.name, 0),
        )

"""Rows to predict: checked, typed and completed by the same code that makes gold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jomon.core.errors import PredictError
from jomon.core.spec import ProjectSpec
from jomon.core.table import Ints, Table
from jomon.data.assemble import Assembler, axis_columns
from jomon.data.casting import cast_for
from jomon.data.contract import Contract
from jomon.data.lookup_run import LOOKUP
from jomon.data.lookups import LookupTable
from jomon.data.sources import near
from jomon.data.tables import LayerTable, storable


def open_lookups(root: Path | str, spec: ProjectSpec) -> dict[str, LookupTable]:
    """The lookup tables under `root` as the last ingest left them; those not there are left out."""
    found = {}
    for name in spec.lookups:
        table = LayerTable(root, LOOKUP + name)
        if table.exists:
            found[name] = LookupTable.build(name, table.read(), spec)
    return found


class Preparer:
    """Prepares batches of raw rows for a fleet; made once, it holds the lookup tables and the calendars."""

    def __init__(self, spec: ProjectSpec, lookups: Mapping[str, LookupTable]) -> None:
        self.spec = spec
        self.lookups = lookups
        self.assembler = Assembler(spec, lookups)
        self.contract = Contract(spec)

    def prepare(self, frame: pl.DataFrame, first_row: int = 0) -> tuple[Table, Ints, NDArray[np.bool_]]:
        """Features and axes of raw rows (n), segment codes (int64, n x S), and which rows have one (bool).

        Lookup features that are absent are joined, those that are there are taken. Ranges of the contract
        are not applied: a model may be asked about a row that would not be learnt from. Raises
        `PredictError` that names the column, the value and the row (counted from `first_row`) where one is
        missing, mistyped or not finite.
        """
        assembled = self.assembler.assemble(self.typed(frame, first_row))
        for name, mask in assembled.joined.held.items():
            if mask.any():
                raise PredictError(
                    f"Row {first_row + int(np.argmax(mask))}: the lookup {name} has nothing for it, and the "
                    "project file demands a value: ingest newer data, or send the columns."
                )
        codes, has = self.assembler.codes(assembled.table)
        return assembled.table, codes, has

    def typed(self, frame: pl.DataFrame, first_row: int = 0) -> pl.DataFrame:
        """The columns that a fleet needs, typed as in silver; see `prepare` for what is refused."""
        time = self.spec.data.time
        needed = self._needed(frame.columns)
        rows = storable(frame.select(needed))
        casts = {name: cast_for(name, rows[name].dtype, self.spec) for name in needed if name != time}
        return self.contract.refuse(rows, casts, first_row)

    def _needed(self, columns: list[str]) -> list[str]:
        """The columns to take, those that lookups are to bring left out and their keys put in."""
        spec = self.spec
        wanted = dict.fromkeys((spec.data.time, *spec.data.features.columns, *axis_columns(spec)))
        for name, lookup in spec.lookups.items():
            absent = [feature for feature in lookup.features if feature not in columns]
            for feature in absent:
                if name in self.lookups:
                    wanted.pop(feature, None)
            if absent and name in self.lookups:
                wanted.update(dict.fromkeys(lookup.key(spec.data.time).columns))
        for name in wanted:
            if name not in columns:
                bringing = [label for label, lookup in spec.lookups.items() if name in lookup.features]
                hint = (
                    f"the table of the lookup {bringing[0]} that would bring it is not here, run "
                    "`jomon ingest` or send the column."
                    if bringing
                    else near(name, columns)
                )
                raise PredictError(f"Column {name!r} is missing: {hint}")
        return list(wanted)


def prepare(
    frame: pl.DataFrame, spec: ProjectSpec, lookups_root: Path | str | None
) -> tuple[Table, Ints, NDArray[np.bool_]]:
    """One batch of raw rows made ready, with the lookup tables of `lookups_root`.

    See `Preparer.prepare` for what it returns and refuses.
    """
    lookups = {} if lookups_root is None else open_lookups(lookups_root, spec)
    return Preparer(spec, lookups).prepare(frame)

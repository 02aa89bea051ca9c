"""Writing gold: silver rows with lookups, features, segments and when each outcome is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from jomon.core.spec import ProjectSpec
from jomon.data.assemble import Assembler, axis_columns, level_name
from jomon.data.digests import content_digests, set_digest, united
from jomon.data.gold import GOLD, gold_frame, gold_recipe, meanings
from jomon.data.lookups import LookupTable
from jomon.data.state import TableState
from jomon.data.tables import ROW, LayerTable


class Golden:
    """Keeps the gold table in step with silver; `contents` are the digests of the lookups' tables."""

    def __init__(
        self,
        root: Path | str,
        spec: ProjectSpec,
        lookups: Mapping[str, LookupTable],
        contents: dict[str, str],
    ) -> None:
        self.spec = spec
        self.gold = LayerTable(root, GOLD)
        self.assembler = Assembler(spec, lookups)
        self.contents = contents

    def update(self, silver: LayerTable, ingest: str, fresh: bool = False) -> dict[str, int] | None:
        """Append the silver rows that gold lacks, or write it anew where rules, lookups or old rows changed.

        Returns for each lookup the rows written for which it had nothing; None where nothing was written.
        """
        assert silver.state is not None
        follows, through = silver.state.base, silver.state.through
        recipe = gold_recipe(self.spec, silver.state.recipe, self.contents)
        state = self.gold.state
        same = not fresh and state is not None and (state.recipe, state.follows) == (recipe, follows)
        if same and state is not None and state.through == through:
            return None
        before = state if same else None
        rows = silver.read(since_row=before.through if before else 0)
        order = [self.spec.data.time, *(k for k in self.spec.data.key if k != self.spec.data.time)]
        rows = rows.sort(order, maintain_order=True)
        made = self.assembler.assemble(rows)
        frame = gold_frame(rows, made, self.assembler)
        held = {name: int(mask.sum()) for name, mask in made.joined.held.items()}
        if held:
            # A row that lacks two such lookups is counted with the first.
            taken = np.zeros(len(rows), np.bool_)
            for name, mask in made.joined.held.items():
                held[name] = int((mask & ~taken).sum())
                taken |= mask
            frame = frame.filter(~pl.Series(taken))
        counts = {
            "meanings": meanings(self.spec),
            "held": _added(before, "held", held),
            "outside": _added(before, "outside", self._outside(frame)),
            "empty": _added(before, "empty", {name: frame[name].count() for name in axis_columns(self.spec)}),
        }
        content = set_digest(*content_digests(frame.drop(ROW)))
        state = TableState(
            recipe,
            through,
            (before.rows if before else 0) + frame.height,
            united(before.content if before else 0, content),
            before.base if before else ingest,
            follows,
            counts,
        )
        (self.gold.append if before or not self.gold.exists else self.gold.replace)(frame, state)
        return dict(made.joined.missing)

    def notes(self) -> list[str]:
        """Sentences about gold that a user ought to know before a build."""
        state = self.gold.state
        if state is None or not state.rows:
            return []
        told = [
            f"The segment column {name!r} is null in all {state.rows} rows: its levels have no members."
            for name, values in state.counts["empty"].items()
            if not values
        ]
        held = [
            f"{rows} rows wait in silver for the lookup {name}, which has nothing for them."
            for name, rows in state.counts["held"].items()
            if rows
        ]
        return told + held

    def _outside(self, frame: pl.DataFrame) -> dict[str, int]:
        return {
            level_name(stage.level): frame[level_name(stage.level)].null_count() for stage in self.spec.stages
        }


def _added(before: TableState | None, name: str, counts: Mapping[str, int]) -> dict[str, int]:
    old = before.counts[name] if before else {}
    return {key: old.get(key, 0) + value for key, value in counts.items()}

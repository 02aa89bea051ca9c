"""A few rows of the held-out time with what came of them: to show how a fleet answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jomon.project.opened import day_text
from jomon.project.predicting import Explained, explain

if TYPE_CHECKING:
    from jomon.project.fleet import Fleet


@dataclass(frozen=True)
class Shown:
    """A row explained, its local time as text, and its outcome (None where it has none)."""

    when: str
    explained: Explained
    outcome: float | None

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"when": self.when, "outcome": self.outcome, **self.explained.document()}


def held_out_rows(fleet: Fleet, count: int) -> list[Shown]:
    """`count` rows spread evenly over the held-out time, not chosen by their answers or outcomes."""
    import polars as pl

    from jomon.data.tables import ROW, LayerTable

    spec = fleet.runtime.spec
    local = fleet.runtime.context.local
    first = pl.lit(local.day_start(fleet.runtime.end_day)).cast(pl.Datetime("us", "UTC"))
    time, target = spec.data.time, spec.data.target.column
    rows = (
        LayerTable(fleet.home.tables, "silver")
        .scan()
        .filter(pl.col(time) >= first, pl.col(target).is_not_null())
    )
    rows = rows.sort(time, ROW)
    total = int(rows.select(pl.len()).collect().item())
    places = [(2 * i + 1) * total // (2 * count) for i in range(min(count, total))]
    frame = rows.with_row_index("_jomon_place").filter(pl.col("_jomon_place").is_in(places)).collect()
    outcomes = frame[target].cast(pl.Float64).to_list()
    whens = frame[time].dt.convert_time_zone(spec.data.zone).dt.strftime("%Y-%m-%d %H:%M").to_list()
    own = frame.select(name for name in frame.columns if not name.startswith("_jomon") and name != target)
    found = explain(fleet, own)
    return [Shown(when, one, outcome) for when, one, outcome in zip(whens, found, outcomes, strict=True)]


def trained_until(fleet: Fleet) -> str:
    """The first held-out local day."""
    return day_text(fleet.runtime.end_day)

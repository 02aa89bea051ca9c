"""Silver and quarantine: every bronze row in one of them, or counted as giving way to another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from jomon.core.spec import ProjectSpec
from jomon.data.bronze import META, Arrivals, state_of, with_new
from jomon.data.contract import Contract, as_came
from jomon.data.digests import set_digest, united
from jomon.data.duplicates import SEEN_BEFORE, settle
from jomon.data.state import TableState
from jomon.data.tables import AS_CAME, FIRST, REASONS, ROW, SECOND, LayerTable
from jomon.oci.digest import Digest

FORMAT = 1
"""Raise it when the same bronze rows would be judged differently: silver is then written anew at the next
ingest.
"""


@dataclass(frozen=True)
class Judged:
    """The rows of one run: what silver and quarantine are to hold of bronze rows `since` to `through`."""

    since: int
    through: int
    follows: str
    """The base of the bronze table that the rows are of."""
    kept: pl.DataFrame
    replaced: pl.Series
    quarantined: pl.DataFrame
    labels: pl.DataFrame
    """Row number and label of every reason."""
    dropped: int
    recipe: str


class SilverWriter:
    """Judges bronze rows and writes silver and quarantine; `fresh` disregards what these hold."""

    def __init__(self, root: Path | str, spec: ProjectSpec, fresh: bool = False) -> None:
        self.spec = spec
        self.fresh = fresh
        self.contract = Contract(spec, kept=(ROW, FIRST, SECOND))
        self.silver = LayerTable(root, "silver")
        self.quarantine = LayerTable(root, "quarantine")

    def judge(self, bronze: LayerTable, new: Arrivals) -> Judged:
        """Check bronze rows that silver or quarantine has not taken account of, and the new ones.

        Nothing is written.
        """
        kinds = {**({} if self.fresh else bronze.columns), **new.rows.schema, **new.retype}
        recipe = self._recipe(kinds)
        before = None if self.fresh else state_of(bronze)
        follows = before.base if before else new.ingest
        since = self._through(self.silver, recipe, follows)
        if self._through(self.quarantine, recipe, follows) < since:
            # Quarantine is always written first: if it is behind, someone took it away, and both start anew.
            since = 0
        rows = with_new(bronze, new, since, self.fresh)
        through = since + rows.height
        checked = self.contract.check(rows.drop("_jomon_ingest"))
        old = self._old_keys(since, checked.good)
        settled = settle(checked.good, old, self.spec.data)
        bad = checked.bad.select(ROW, REASONS, AS_CAME)
        labels = checked.labels
        dropped = settled.duplicates.height
        if self.spec.data.duplicates == "quarantine" and dropped:
            own = [name for name in rows.columns if name not in META]
            came = rows.join(settled.duplicates, on=ROW, how="inner", maintain_order="left")
            again = came.select(ROW, pl.concat_list("sentence").alias(REASONS), as_came(own).alias(AS_CAME))
            bad = pl.concat([bad, again]).sort(ROW)
            labels = pl.concat([labels, again.select(ROW, pl.lit(SEEN_BEFORE).alias("label"))])
            dropped = 0
        return Judged(since, through, follows, settled.kept, settled.replaced, bad, labels, dropped, recipe)

    def write_quarantine(self, judged: Judged, ingest: str) -> None:
        """Write what does not meet the contract: the row as it came, and every reason."""
        table = self.quarantine
        have = self._through(table, judged.recipe, judged.follows)
        if have == judged.through and table.state is not None:
            return
        since = have if judged.since else 0
        anew = since == 0
        rows = judged.quarantined.filter(pl.col(ROW) >= since)
        labels = judged.labels.filter(pl.col(ROW) >= since)["label"].to_list()
        before = None if anew or table.state is None else table.state
        reasons = Counter(dict(before.counts.get("reasons", {})) if before else {})
        reasons.update(labels)
        state = TableState(
            judged.recipe,
            judged.through,
            (before.rows if before else 0) + rows.height,
            united(before.content if before else 0, _rows_content(rows)),
            before.base if before else ingest,
            judged.follows,
            {"reasons": dict(sorted(reasons.items()))},
        )
        (table.replace if anew and table.exists else table.append)(rows, state)

    def write_silver(self, judged: Judged, ingest: str) -> None:
        """Write the rows that meet the contract, typed; rows that a later one replaced are taken out."""
        table = self.silver
        if self._through(table, judged.recipe, judged.follows) == judged.through and table.state is not None:
            return
        since = judged.since
        anew = since == 0
        before = None if anew or table.state is None else table.state
        rows = judged.kept.filter(pl.col(ROW) >= since)
        replaced = judged.replaced
        gone = replaced.filter(replaced < since)
        counts = {
            "replaced": (before.counts["replaced"] if before else 0) + len(replaced),
            "dropped": (before.counts["dropped"] if before else 0) + judged.dropped,
        }
        if before is not None and len(gone):
            stay = table.read().filter(~pl.col(ROW).is_in(gone.implode()))
            rows, before, anew = pl.concat([stay, rows], how="diagonal"), None, True
        told = rows[self.spec.data.target.column]
        counts["without_outcome"] = (before.counts["without_outcome"] if before else 0) + told.null_count()
        counts["positive"] = (before.counts["positive"] if before else 0) + int((told > 0).sum())
        state = TableState(
            judged.recipe,
            judged.through,
            (before.rows if before else 0) + rows.height,
            united(before.content if before else _start(judged.recipe), _content(rows)),
            before.base if before else ingest,
            judged.follows,
            counts,
        )
        (table.replace if anew and table.exists else table.append)(rows, state)

    def notes(self) -> list[str]:
        """Sentences about what silver holds that a user ought to know before a build."""
        state, target = self.silver.state, self.spec.data.target
        if state is None or not state.rows:
            return ["No row met the contract: silver is empty, see the reasons of the quarantine."]
        known = state.rows - state.counts["without_outcome"]
        if not known:
            return [
                f"No row has an outcome: the target {target.column!r} is missing in all {state.rows} rows."
            ]
        if target.kind == "binary" and state.counts["positive"] in (0, known):
            only = int(state.counts["positive"] > 0)
            where = f"all {known} rows with an outcome"
            return [f"The target {target.column!r} is {only} in {where}: a model needs both."]
        return []

    def _through(self, table: LayerTable, recipe: str, follows: str) -> int:
        """How many bronze rows `table` has taken account of; 0 where by other rules or of another bronze."""
        state = table.state
        if self.fresh or state is None or (state.recipe, state.follows) != (recipe, follows):
            return 0
        return state.through

    def _old_keys(self, since: int, good: pl.DataFrame) -> pl.DataFrame:
        needed = list(dict.fromkeys((*self.spec.data.key, self.spec.data.target.column, ROW)))
        if not since or not good.height:
            return good.select(needed).clear()
        return self.silver.read(needed).filter(pl.col(ROW) < since)

    def _recipe(self, kinds: dict[str, pl.DataType]) -> str:
        document = self.spec.canonical()["data"]
        rules = {
            name: document[name]
            for name in (
                "time",
                "timezone",
                "daylight_saving",
                "key",
                "target",
                "features",
                "contract",
                "duplicates",
            )
        }
        rules["target"] = {name: rules["target"][name] for name in ("column", "kind")}
        rules["features"] = {name: rules["features"][name] for name in ("numeric", "categorical")}
        types = {name: str(kind) for name, kind in sorted(kinds.items()) if name not in META}
        return str(Digest.of_json({"format": FORMAT, "rules": rules, "types": types}))


def _start(recipe: str) -> int:
    """Silver is told by the bronze rows it holds and by the rules that typed them."""
    return int(Digest.parse(recipe).hex[:32], 16)


def _content(rows: pl.DataFrame) -> int:
    return set_digest(*(rows[name].to_numpy().astype(np.int64).view(np.uint64) for name in (FIRST, SECOND)))


def _rows_content(rows: pl.DataFrame) -> int:
    """Quarantined rows are told by their bronze row numbers and reasons."""
    from jomon.data.digests import content_digests

    return set_digest(*content_digests(rows.select(ROW, REASONS)))

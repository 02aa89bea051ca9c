"""Check: does the project file hold, and do the data fit it? Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jomon.core.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from jomon.project.opened import OpenProject


@dataclass(frozen=True)
class LookupCheck:
    """One lookup: rows of its source, and those that cannot be used by rule (0 where a rule took none)."""

    rows: int
    unusable: int
    by_reason: Mapping[str, int]


@dataclass(frozen=True)
class CheckReport:
    """What a check found. `problems` are sentences about what has to be mended before an ingest can work.

    `rows` were read, `quarantined` of them break a rule, `by_reason` counts them by rule (every rule that was applied
    is there, 0 where no row broke it), `repeated` rows have a key that came before; all None where data were not read.
    """

    file: str
    fleet: str
    stages: int
    features: int
    problems: tuple[str, ...] = ()
    rows: int | None = None
    quarantined: int | None = None
    by_reason: Mapping[str, int] | None = None
    repeated: int | None = None
    without_outcome: int | None = None
    lookups: Mapping[str, LookupCheck] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether an ingest can work; quarantined rows do not stand in its way."""
        return not self.problems

    def document(self) -> dict[str, Any]:
        """The JSON of `jomon check --json`."""
        out: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        lookups = {name: dict(vars(found)) for name, found in self.lookups.items()}
        return {"holds": self.holds, **out, "problems": list(self.problems), "lookups": lookups}


def check(
    project: OpenProject, *, data: bool = True, told: Callable[[str], None] = lambda step: None
) -> CheckReport:
    """Check an open project (its file holds, or it would not be open) against its data, unless `data` is false."""
    spec = project.spec
    file = str(project.folder / "jomon.yaml")
    plain = CheckReport(file, spec.fleet, len(spec.stages), len(spec.data.features.names))
    return _with_data(project, plain, told) if data else plain


def _with_data(project: OpenProject, plain: CheckReport, told: Callable[[str], None]) -> CheckReport:
    from dataclasses import replace

    from jomon.core.spec_yaml import missing_column_problems
    from jomon.data.contract import Contract
    from jomon.data.duplicates import settle
    from jomon.data.sources import read_source
    from jomon.data.tables import ROW, storable

    spec = project.spec
    problems: list[str] = []
    lookups: dict[str, LookupCheck] = {}
    for name in spec.lookups:
        told(f"lookup {name}")
        try:
            lookups[name] = _lookup(project, name)
        except DataError as error:
            problems.append(str(error))
    told("source")
    try:
        source = read_source(project.folder, spec.data.source)
    except DataError as error:
        return replace(plain, problems=(str(error), *problems), lookups=lookups)
    problems += missing_column_problems(project.parsed, source.columns)
    if problems:
        return replace(plain, problems=tuple(problems), rows=source.height, lookups=lookups)
    told("rows")
    rows = storable(source).with_row_index(ROW).cast({ROW: _int64()})
    try:
        checked = Contract(spec, kept=(ROW,)).check(rows)
        settled = settle(checked.good, checked.good.clear(), spec.data)
    except DataError as error:
        return replace(plain, problems=(str(error),), rows=source.height, lookups=lookups)
    repeated = settled.duplicates.height + len(settled.replaced)
    return replace(
        plain,
        problems=tuple(_unlearnable(settled.kept, spec.data.target.column, spec.data.target.kind)),
        rows=source.height,
        quarantined=checked.bad.height + (repeated if spec.data.duplicates == "quarantine" else 0),
        by_reason=_counted(checked.rules, checked.reasons),
        repeated=repeated,
        without_outcome=settled.kept[spec.data.target.column].null_count(),
        lookups=lookups,
    )


def _lookup(project: OpenProject, name: str) -> LookupCheck:
    from jomon.data.lookups import LookupTable
    from jomon.data.sources import read_source
    from jomon.data.tables import ROW, storable

    source = read_source(project.folder, project.spec.lookups[name].source, f"the lookup {name}")
    rows = storable(source).with_row_index(ROW).cast({ROW: _int64()})
    checked = LookupTable.build(name, rows, project.spec).checked
    return LookupCheck(source.height, checked.bad.height, _counted(checked.rules, checked.reasons))


def _counted(rules: tuple[str, ...], found: Mapping[str, int]) -> dict[str, int]:
    return {rule: found.get(rule, 0) for rule in (*rules, *(r for r in found if r not in rules))}


def _unlearnable(rows: pl.DataFrame, column: str, kind: str) -> list[str]:
    """What keeps a model from learning anything of these rows."""
    known = rows[column].drop_nulls()
    if not rows.height:
        return ["No row meets the contract: see the counts by reason, and correct the file or the data."]
    if not len(known):
        return [f"The target {column!r} is missing in all {rows.height} rows: check data.target.column."]
    if kind == "binary" and known.n_unique() < 2:
        return [
            f"The target {column!r} is the same in all {len(known)} rows with an outcome: a model needs both."
        ]
    return []


def _int64() -> Any:
    import polars as pl

    return pl.Int64

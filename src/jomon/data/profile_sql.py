"""The parts of a profile's statement: expressions in DuckDB's SQL over quoted columns, numbers written out in full.

No value of the data stands in a statement: categories are compared through a type made from a table of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from jomon.core.binning import ColumnBins
from jomon.core.localtime import HOUR, LocalTime
from jomon.core.table import Ints

MISSING = "NULL"
_LATER = 1_000 * 365 * 24 * HOUR
"""Added to wall clocks before they are divided, as DuckDB rounds towards zero."""


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text as a literal."""
    return "'" + value.replace("'", "''") + "'"


def number(expression: str, kind: str) -> str:
    """A column of DuckDB's type `kind` as a double; truth values, also as text, count 1 and 0."""
    if kind != "VARCHAR":
        return f"{expression}::DOUBLE"
    return f"CASE {expression} WHEN 'true' THEN 1::DOUBLE WHEN 'false' THEN 0::DOUBLE END"


def number_bin(expression: str, column: ColumnBins) -> str:
    """The bin of a double: a search in halves among the edges, missing values in the null bin."""

    def search(low: int, high: int) -> str:
        if low == high:
            return str(low)
        middle = (low + high) // 2
        edge = f"{column.edges[middle]!r}::DOUBLE"
        return (
            f"CASE WHEN {expression} < {edge} THEN {search(low, middle)} ELSE {search(middle + 1, high)} END"
        )

    found = search(0, len(column.edges))
    return f"(CASE WHEN {expression} IS NULL OR isnan({expression}) THEN {column.null} ELSE {found} END)::UTINYINT"


def category_bin(expression: str, column: ColumnBins, enum: str | None) -> str:
    """The bin of a text, through the type `enum` of the reference's values (None: it had none)."""
    if enum is None:
        return f"(CASE WHEN {expression} IS NULL THEN {column.null} ELSE {column.unseen} END)::UTINYINT"
    code = f"enum_code(TRY_CAST({expression} AS {enum}))"
    seen = f"least({code}, {len(column.values)})" if column.rest else code
    return f"(CASE WHEN {expression} IS NULL THEN {column.null} ELSE coalesce({seen}, {column.unseen}) END)::UTINYINT"


def window_of(us: str, starts: Ints) -> str:
    """Which of the windows that begin at `starts` holds a moment not before the first of them.

    Windows of one length behind one another are one division, so that a year of days is a few branches.
    """
    runs: list[tuple[int, int, int]] = []  # first window, its start, length of each
    at = 0
    while at < len(starts) - 1:
        step = int(starts[at + 1] - starts[at])
        last = at + 1
        while last < len(starts) - 1 and int(starts[last + 1] - starts[last]) == step:
            last += 1
        runs.append((at, int(starts[at]), step))
        at = last
    if not runs:
        return "0"
    whole = int(starts[-1])
    cases = [
        f"WHEN {us} < {runs[n + 1][1] if n + 1 < len(runs) else whole} THEN {first} + ({us} - {start}) // {step}"
        for n, (first, start, step) in enumerate(runs)
    ]
    return f"(CASE {' '.join(cases)} ELSE {len(starts) - 1} END)"


def hour_of(us: str, local: LocalTime, since: int, until: int) -> str:
    """The hour on the wall at a moment from `since` to before `until`."""
    changes, offsets = local.changes_between(since, until)
    shift = str(int(offsets[-1]))
    for change, offset in zip(changes[::-1], offsets[-2::-1], strict=True):
        shift = f"CASE WHEN {us} < {int(change)} THEN {int(offset)} ELSE {shift} END"
    return f"(({us} + {_LATER} + ({shift})) // {HOUR} % 24)"


def key_of(columns: Sequence[str], *, canonical: bool) -> str:
    """A number that tells keys apart, null where a part is missing; of one column of canonical texts (`canonical`) or
    of several of values."""
    if canonical:
        (key,) = columns
        parts = ("[null,", ",null,", ",null]", "[null]")
        none = " AND ".join(f"NOT contains({key}, {text(part)})" for part in parts)
        # One look suffices for most keys.
        whole = [f"{key} IS NOT NULL", f"(NOT contains({key}, 'null') OR ({none}))"]
    else:
        whole = [f"{key} IS NOT NULL" for key in columns]
    return f"CASE WHEN {' AND '.join(whole)} THEN hash({', '.join(columns)}) END"


def loss_of(kind: str, y: str, p: str, m: str) -> tuple[str, str]:
    """The variance that an answer implies, and the loss of a row: see `jomon.core.cubes.MEASURES`."""
    if kind == "binary":
        loss = f"ln(1 + exp(-abs({m}))) + CASE WHEN {m} > 0 THEN (1 - {y}) * {m} ELSE -{y} * {m} END"
        return f"{p} * (1 - {p})", loss
    if kind == "count":
        small = f"least({m}, 50::DOUBLE)"
        log_y = f"CASE WHEN {y} > 0 THEN ln({y}) ELSE 0 END"
        return p, f"greatest(2 * ({y} * ({log_y} - {small}) - {y} + exp({small})), 0)"
    return "0::DOUBLE", f"({y} - {p}) * ({y} - {p})"

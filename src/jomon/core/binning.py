"""Bins: how the values of a recorded column become a few counts, the same in every window and on every machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ColumnKind = Literal["number", "category", "clock", "score", "rows", "duplicates"]
"""`number` and `category`: recorded features; `clock`: the local hour of a row; `score`: the margin of an answer;
`rows`: one bin that counts every row; `duplicates`: one bin that counts rows beyond the first of their key."""


@dataclass(frozen=True)
class ColumnBins:
    """The bins of one column: values below the first of `edges`, between two of them, and from the last one on; or the
    `values` of a category, a last bin holding the reference's rarer ones (`rest`).

    Behind the `size` bins of values follow one for nulls and one for values that the reference never saw. What lies
    beyond `least` and `most` of the reference is in the first and last bin all the same.
    """

    name: str
    kind: ColumnKind
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None

    @cached_property
    def size(self) -> int:
        """How many bins hold values."""
        if self.kind in ("number", "score"):
            return len(self.edges) + 1
        if self.kind == "category":
            return len(self.values) + bool(self.rest)
        return 24 if self.kind == "clock" else 1

    @property
    def null(self) -> int:
        """The bin of missing values."""
        return self.size

    @property
    def unseen(self) -> int:
        """The bin of categories that the reference never saw."""
        return self.size + 1

    @property
    def width(self) -> int:
        """All bins."""
        return self.size + 2

    def label(self, at: int) -> str:
        """A bin in words.

        >>> ColumnBins("temp", "number", (32.0, 50.0)).label(1)
        '32 to 50'
        """
        if at == self.null:
            return "missing"
        if at == self.unseen:
            return "never seen"
        if self.kind == "category":
            return self.values[at] if at < len(self.values) else "others"
        if self.kind == "clock":
            return f"{at:02d}:00"
        if not self.edges:
            return "all"
        if at == 0:
            return f"below {self.edges[0]:g}"
        if at == len(self.edges):
            return f"{self.edges[-1]:g} and more"
        return f"{self.edges[at - 1]:g} to {self.edges[at]:g}"


@dataclass(frozen=True)
class Binning:
    """The bins of all watched columns, one behind another in a flat axis of `width` bins."""

    columns: tuple[ColumnBins, ...]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each column's bins begin, int64[columns + 1]."""
        return np.concatenate([[0], np.cumsum([column.width for column in self.columns])]).astype(np.int64)

    @property
    def width(self) -> int:
        """All bins of all columns."""
        return int(self.starts[-1])

    def slice(self, at: int) -> slice:
        """The bins of column `at`."""
        return slice(int(self.starts[at]), int(self.starts[at + 1]))

    def place(self, name: str, kind: ColumnKind | None = None) -> int:
        """Which column has this name (and kind); raises KeyError."""
        for at, column in enumerate(self.columns):
            if column.name == name and kind in (None, column.kind):
                return at
        raise KeyError(name)

    def canonical(self) -> dict[str, Any]:
        """As plain values for canonical JSON; `from_canonical` reads it back."""
        fields = ("name", "kind", "edges", "values", "rest", "least", "most")
        return {
            "columns": [
                {field: _plain(getattr(column, field)) for field in fields} for column in self.columns
            ]
        }

    @classmethod
    def from_canonical(cls, document: Mapping[str, Any]) -> Binning:
        """The inverse of `canonical`; raises KeyError or TypeError where the document is not one."""
        return cls(
            tuple(ColumnBins(**{k: _back(v) for k, v in column.items()}) for column in document["columns"])
        )

    @cached_property
    def text(self) -> str:
        """Canonical text, for a digest."""
        return json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))


OUTER = 3
"""Bins on either side of what the reference had: another season, or another unit, moves values beyond it."""


def number_edges(values: NDArray[np.float64], bins: int) -> tuple[float, ...]:
    """Edges that split the values (NaN left out) into at most `bins` about equally full bins, and what may come beyond
    them into `OUTER` bins more on each side, as wide as the middle half of the values; none where all are equal.

    >>> number_edges(np.arange(101.0), 4)
    (-100.0, -50.0, 0.0, 25.0, 50.0, 75.0, 100.00000000000001, 150.0, 200.0)
    """
    known = np.sort(values[~np.isnan(values)])
    if not len(known) or known[0] == known[-1]:
        return ()
    cuts = known[np.minimum((np.arange(1, bins) * len(known)) // bins, len(known) - 1)]
    # A value that fills several bins has one of its own; what lies behind it begins the next.
    at, times = np.unique(cuts, return_counts=True)
    behind = np.searchsorted(known, at[(times > 1) | (at == known[0])], side="right")
    after = known[behind[behind < len(known)]]
    inner = np.unique(np.concatenate([at[at > known[0]], after])).tolist()
    quarter, three = np.quantile(known, [0.25, 0.75])
    width = float(three - quarter) or float(known[-1] - known[0])
    below = [float(known[0]) - step * width for step in range(OUTER - 1, -1, -1)]
    above = [
        float(np.nextafter(known[-1], np.inf)),
        *(float(known[-1]) + step * width for step in range(1, OUTER)),
    ]
    return (*below, *inner, *above)


def numeric_codes(column: ColumnBins, values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each number, int64[n]."""
    codes = np.searchsorted(np.asarray(column.edges), values, side="right").astype(np.int64)
    codes[np.isnan(values)] = column.null
    return codes


def category_places(column: ColumnBins) -> dict[str, int]:
    """The bin of each category that the reference had."""
    return {v: i for i, v in enumerate(column.values)} | dict.fromkeys(column.rest, len(column.values))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _back(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value

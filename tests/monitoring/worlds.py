"""A made fleet with days that differ: members in two places share a weather, and hours differ in what they ask."""

from __future__ import annotations

import numpy as np

from jomon.core.binning import Binning, ColumnBins, number_edges, numeric_codes
from jomon.core.cubes import Cube
from jomon.core.segments import Segment
from jomon.monitoring.cells import Cells
from jomon.monitoring.matching import WindowFacts
from jomon.monitoring.window_statistics import Fleet

CARRIERS, ORIGINS = ("A", "B", "C", "D", "E", "F"), ("X", "Y")
SEGMENTS = tuple(Segment((("carrier", c), ("origin", o))) for c in CARRIERS for o in ORIGINS)
LEVELS = ((), ("carrier",), ("origin",), ("carrier", "origin"))
BINNING = Binning(
    (
        ColumnBins("weather", "number", number_edges(np.linspace(-2.5, 2.5, 500), 8)),
        ColumnBins("size", "number", number_edges(np.linspace(-2.5, 2.5, 500), 8)),
        ColumnBins("margin", "score", number_edges(np.linspace(-2.5, 2.5, 500), 8)),
        ColumnBins("", "rows"),
    )
)


class Rows:
    """Raw rows of days: `day`, `segment`, `hour`, `weather`, `size`, `p`, `y`."""

    def __init__(self, days: int, seed: int, mean_rows: float = 50.0) -> None:
        r = np.random.default_rng(seed)
        counts = r.poisson(mean_rows * r.gamma(40, 1 / 40, (days, 1)), (days, len(SEGMENTS)))
        self.day = np.repeat(np.arange(days), counts.sum(axis=1))
        self.segment = np.concatenate([np.repeat(np.arange(len(SEGMENTS)), row) for row in counts])
        n = len(self.day)
        self.hour = r.integers(6, 18, n)
        place = self.segment % len(ORIGINS)
        storm = r.standard_t(4, (days, len(ORIGINS))) * 0.7
        self.weather = storm[self.day, place] + (self.hour - 12) * 0.1 + r.normal(0, 0.3, n)
        self.size = r.normal(0, 1, n) + (self.segment // 2 - 2.5) * 0.3
        bad = r.normal(0, 0.4, days)
        self.margin = -1 + 0.5 * self.size
        self.p = 1 / (1 + np.exp(-self.margin))
        self.y = (r.random(n) < 1 / (1 + np.exp(-self.margin - bad[self.day]))).astype(float)

    def within(self, day: int, segment: str) -> np.ndarray:
        """Which rows are of a day and of a segment such as `carrier=A`."""
        wanted = set(Segment.parse(segment).items)
        inside = np.array([wanted <= set(one.items) for one in SEGMENTS])
        return (self.day == day) & inside[self.segment]

    def cube(self) -> Cube:
        """Their cube."""
        codes = [
            numeric_codes(BINNING.columns[0], self.weather),
            numeric_codes(BINNING.columns[1], self.size),
            numeric_codes(BINNING.columns[2], self.margin),
            np.zeros(len(self.day), np.int64),
        ]
        days = int(self.day.max()) + 1
        ones = np.ones(len(self.day))
        loss = -(self.y * np.log(self.p) + (1 - self.y) * np.log(1 - self.p))
        measures = np.column_stack([ones, ones, self.y, self.p, self.p * (1 - self.p), loss])
        at, sums = [], []
        for column, code in enumerate(codes):
            shape = (days, len(SEGMENTS), 24, BINNING.width)
            flat = np.ravel_multi_index(
                (self.day, self.segment, self.hour, BINNING.starts[column] + code), shape
            )
            unique, place = np.unique(flat, return_inverse=True)
            at.append(np.column_stack(np.unravel_index(unique, shape)))
            sums.append(np.column_stack([np.bincount(place, m, len(unique)) for m in measures.T]))
        windows = np.arange(days, dtype=np.int64) * 86_400_000_000
        return Cube(("carrier", "origin"), windows, SEGMENTS, BINNING, np.concatenate(at).astype(np.int64),
                    np.concatenate(sums))  # fmt: skip

    def fleet(self) -> Fleet:
        """The fleet that is watched."""
        days = int(self.day.max()) + 1
        none = np.zeros(days, np.int64)
        facts = WindowFacts(np.arange(days) % 7, none, none, np.zeros(days, np.bool_))
        return Fleet.of(Cells.of(self.cube()), LEVELS, facts)

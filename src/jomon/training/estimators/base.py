"""The shapes that every estimator shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jomon.core.table import Floats
from jomon.engine.linear import LinearArrays
from jomon.engine.trees import TreeArrays
from jomon.stats.links import Link


@dataclass(frozen=True, slots=True)
class Design:
    """What the feature columns are: their names, which are categories, and how many categories each has."""

    names: tuple[str, ...]
    categorical: tuple[int, ...]
    sizes: tuple[int, ...]

    def subset(self, columns: tuple[int, ...]) -> Design:
        """The description of some of the columns, in the order given."""
        size = dict(zip(self.categorical, self.sizes, strict=True))
        kept = [(place, size[column]) for place, column in enumerate(columns) if column in size]
        return Design(
            tuple(self.names[c] for c in columns), tuple(p for p, _ in kept), tuple(s for _, s in kept)
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows to fit: `X` float64[n, F] (NaN is missing), `y` float64[n], `offset` float64[n] or None for a root."""

    X: Floats
    y: Floats
    offset: Floats | None


class Slow(Protocol):
    """A fitted slow part."""

    def margin(self, X: Floats) -> Floats:
        """What it adds to the margin of each row: float64[n]."""

    @property
    def packed(self) -> TreeArrays | LinearArrays | None:
        """Its arrays, or None where it is an opaque object."""

    @property
    def opaque(self) -> bytes | None:
        """Its bytes in a format that runs no code on load, or None where it is packed."""


class Estimator(Protocol):
    """Fits slow parts; deterministic: the same sample, parameters and seed give the same bytes on one platform."""

    def resolve(self, params: Mapping[str, Any], root: bool) -> dict[str, Any]:
        """The declared parameters under their main names, with defaults where the project file gives none.

        Raises `BuildError` for one that cannot be given.
        """

    def libraries(self) -> tuple[str, ...]:
        """Distributions whose versions are part of a member's lineage."""

    def fit(self, sample: Sample, design: Design, link: Link, params: Mapping[str, Any], seed: int) -> Slow:
        """Fit one slow part on one thread."""

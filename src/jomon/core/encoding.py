"""From a table to the matrix a member sees: numbers as they are, categories as codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from jomon.core.calendar import calendar_columns
from jomon.core.columns import categories, column_of, present_values, refuse_infinite
from jomon.core.errors import CorruptError, PredictError
from jomon.core.spec import FeaturesSpec
from jomon.core.suggest import nearest
from jomon.core.table import Coded, Column, Floats, Table

Unseen = Literal["missing", "error"]
_SHOWN = 5
"""How many known categories a message lists."""


@dataclass(frozen=True)
class FeatureEncoder:
    """Names, order and vocabularies of the features of an image; columns of a matrix in, in this order.

    Numeric features come first, then categorical ones, then calendar ones, each in the project file's order.
    """

    names: tuple[str, ...]
    vocabularies: Mapping[str, tuple[str, ...]]
    unseen: Unseen = "missing"

    @classmethod
    def fit(cls, table: Table, features: FeaturesSpec, base: FeatureEncoder | None = None) -> FeatureEncoder:
        """The encoder of `features` for the rows of `table`.

        A vocabulary holds the values of its column in sorted order; with a `base`, the base's values keep
        their codes and values it lacks follow them, sorted. Raises `PredictError` where a column is missing.
        """
        vocabularies = {}
        for name in features.categorical:
            column = categories(name, column_of(table, name))
            old = base.vocabularies.get(name, ()) if base else ()
            present = {column.values[at] for at in present_values(column)}
            vocabularies[name] = (*old, *sorted(present.difference(old)))
        names = (*features.numeric, *features.categorical, *calendar_columns(features.calendar))
        return cls(names, vocabularies, features.unseen)

    @cached_property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the categorical features in `names`."""
        return tuple(at for at, name in enumerate(self.names) if name in self.vocabularies)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of known categories of each categorical feature, aligned with `categorical`."""
        return tuple(len(self.vocabularies[self.names[at]]) for at in self.categorical)

    def positions(self, features: Iterable[str]) -> tuple[int, ...]:
        """Positions in `names` of `features` as the project file names them (`year_phase` is two), in order.

        Raises `KeyError` for a name that is no feature.
        """
        place = {name: at for at, name in enumerate(self.names)}
        return tuple(place[name] for name in calendar_columns(features))

    @cached_property
    def _places(self) -> Mapping[str, Mapping[str, int]]:
        return {
            name: {value: code for code, value in enumerate(values)}
            for name, values in self.vocabularies.items()
        }

    def encode(self, table: Table) -> Floats:
        """The matrix (float64, n x F, C-contiguous) of the rows of `table`.

        Categories become their code; NaN is a missing value or, unless `unseen` is "error", a category that
        training did not see. Raises `PredictError` for a missing column, text where numbers belong, an
        infinite number, and an unseen category if so declared.
        """
        matrix = np.empty((len(table), len(self.names)), dtype=np.float64)
        for at, name in enumerate(self.names):
            column = column_of(table, name)
            if name in self.vocabularies:
                matrix[:, at] = self._codes(name, categories(name, column))
            else:
                matrix[:, at] = _numbers(name, column)
        return matrix

    def _codes(self, name: str, column: Coded) -> Floats:
        places = self._places[name]
        # The last entry is what code -1 (missing) points at.
        lookup = np.array([places.get(value, np.nan) for value in column.values] + [np.nan])
        if self.unseen == "error" and np.isnan(lookup[:-1]).any():
            self._refuse_unseen(name, column, lookup)
        return lookup[column.codes]

    def _refuse_unseen(self, name: str, column: Coded, lookup: Floats) -> None:
        """Raise if a row holds a value without a code."""
        unseen = np.isnan(lookup[column.codes]) & (column.codes >= 0)
        if not unseen.any():
            return
        row = int(np.argmax(unseen))
        value = column.values[column.codes[row]]
        raise PredictError(
            f"Row {row} of column {name!r} holds {value!r}, which training never saw: "
            f"send {_choice(value, self.vocabularies[name])}, or declare 'unseen: missing' in data.features."
        )

    def canonical(self) -> dict[str, Any]:
        """The encoder as plain values for canonical JSON; `from_canonical` reads it back."""
        return {
            "names": list(self.names),
            "unseen": self.unseen,
            "vocabularies": {name: list(values) for name, values in self.vocabularies.items()},
        }

    @classmethod
    def from_canonical(cls, document: Mapping[str, Any]) -> FeatureEncoder:
        """The encoder that `canonical` described; raises `CorruptError` where the document is not one."""
        try:
            names = tuple(document["names"])
            vocabularies = {name: tuple(values) for name, values in document["vocabularies"].items()}
            unseen: Unseen = document["unseen"]
        except (KeyError, TypeError, AttributeError) as error:
            raise CorruptError(
                f"The encoder of this image cannot be read ({error}): build it again."
            ) from None
        texts: Iterable[object] = (*names, *(value for values in vocabularies.values() for value in values))
        if (
            unseen not in ("missing", "error")
            or not all(isinstance(text, str) for text in texts)
            or not set(vocabularies) <= set(names)
            or any(len(set(texts)) < len(texts) for texts in (names, *vocabularies.values()))
        ):
            raise CorruptError("The encoder of this image does not agree with itself: build it again.")
        return cls(names, vocabularies, unseen)


def _numbers(name: str, column: Column) -> Floats:
    """The numbers of a numeric feature; truth values count 1 and 0."""
    if isinstance(column, Coded):
        return _truths(name, column)
    refuse_infinite(name, column)
    return column


def _truths(name: str, column: Coded) -> Floats:
    truth = {"false": 0.0, "true": 1.0}
    for at in present_values(column):
        value = column.values[at]
        if value not in truth:
            row = int(np.argmax(column.codes == at))
            raise PredictError(f"Row {row} of column {name!r} holds the text {value!r}: send a number.")
    return np.array([truth.get(value, np.nan) for value in column.values] + [np.nan])[column.codes]


def _choice(value: str, known: tuple[str, ...]) -> str:
    near = nearest(value, known)
    if near is not None:
        return f"a known one such as {near!r}"
    if not known:
        return "an empty value (training saw none)"
    shown = ", ".join(repr(v) for v in known[:_SHOWN])
    return f"a known one ({shown}{', ...' if len(known) > _SHOWN else ''})"

"""Reported outcomes, checked and made canonical one by one: for the server, and for whoever has them as mappings.

An outcome is told by the key of its row, or by the id of the request (and the number of the row in it) that asked. What
comes out is what a journal keeps and what the table of outcomes is made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Any, Literal, NamedTuple

from jomon.core.columns import as_text
from jomon.core.errors import DataError, JomonError
from jomon.core.outcome_key import key_text
from jomon.core.spec import DataSpec
from jomon.core.suggest import ending

FIELDS = ("key", "request_id", "row", "value", "known_at")
LARGEST_ROW = 2**31 - 1
LARGEST_KEY = 2**63  # whole numbers beyond it have no type in any table
LARGEST_COUNT = 2**53  # whole numbers up to here are exact in float64
_SHOWN = 60  # characters of a wrong value in a message: enough to find it
KeyKind = Literal["text", "number", "whole", "truth"]
_KEY_WORDS = {"number": "a finite number", "whole": "a whole number", "truth": "true or false"}
_TRUTH = {"true": "true", "1": "true", "false": "false", "0": "false"}
WANTED = {
    "binary": "0, 1, true, false or null",
    "count": "a whole number from 0 on, or null",
    "regression": "a finite number, or null",
}


class OutcomeKind(IntEnum):
    """How an outcome names what it is the outcome of."""

    BY_KEY = 0
    """By the key columns of the row."""
    BY_REQUEST = 1
    """By the id of the request and the number of the row in it."""


class OutcomeItem(NamedTuple):
    """One outcome as it is recorded: `key` is the canonical text of the key, or the request's id.

    `value` is None where the outcome will never be known; `known_at_us` is when it became known, in microseconds since
    1970-01-01 UTC.
    """

    kind: int
    key: str
    row: int
    value: float | None
    known_at_us: int


def key_kind(data: DataSpec, name: str) -> KeyKind:
    """How the values of a key column are written: as the recorder of predictions writes them."""
    if name in data.features.numeric:
        return "number"
    declared = data.contract[name].type if name in data.contract else None
    return {"int": "whole", "float": "number", "bool": "truth"}.get(declared or "", "text")  # type: ignore[return-value]


def key_part(value: str | float | int | bool, kind: KeyKind) -> str:
    """The text of one value of a key; raises ValueError that says what is wanted.

    >>> key_part("07", "text"), key_part("07", "whole"), key_part(7.0, "text"), key_part(" 1 ", "truth")
    ('07', '7', '7', 'true')
    """
    text = value if isinstance(value, str) else as_text(value)
    if kind == "text":
        return text
    plain = text.strip()
    if kind == "truth":
        if plain.lower() in _TRUTH:
            return _TRUTH[plain.lower()]
    else:
        with suppress(ValueError, OverflowError):
            number = int(plain) if plain.lstrip("+-").isdigit() else float(plain)
            if kind == "number" and math.isfinite(number):
                return as_text(float(number))
            if kind == "whole" and number == int(number):
                return str(int(number))
    raise ValueError(_KEY_WORDS[kind])


class OutcomeReader:
    """Reads the outcomes of one fleet; made once, it keeps nothing of what it reads.

    `parse_time` reads the time column of a key, and `parse_known_at` the time at which an outcome became known (the
    same way if it is left out): each gives microseconds since 1970-01-01 UTC or raises a `JomonError`. `hashed` hashes
    the text of a key column among `hash_columns`, as the recorder of predictions does.
    """

    def __init__(
        self,
        data: DataSpec,
        parse_time: Callable[[Any], int],
        parse_known_at: Callable[[Any], int] | None = None,
        hash_columns: Sequence[str] = (),
        hashed: Callable[[str], str] | None = None,
    ) -> None:
        self._data = data
        self._parse_time = parse_time
        self._parse_known_at = parse_known_at or parse_time
        self._kinds = {name: key_kind(data, name) for name in data.key}
        self._secret = frozenset(hash_columns) & frozenset(data.key)
        if self._secret and hashed is None:
            raise ValueError(f"the key columns {sorted(self._secret)} are hashed, and nothing hashes them")
        self._hashed = hashed

    def read(self, outcomes: Sequence[Any], received_us: int) -> list[OutcomeItem]:
        """The outcomes (n mappings with the keys `FIELDS`) as they are recorded; `received_us` is when they came.

        An outcome without `known_at` became known when it came. Raises `DataError` that counts outcomes from 0 and
        names what is wrong with the first that cannot be one.
        """
        return [self._item(number, outcome, received_us) for number, outcome in enumerate(outcomes)]

    def _item(self, number: int, outcome: Any, received_us: int) -> OutcomeItem:
        if not isinstance(outcome, Mapping):
            raise _refused(number, f"{_shown(outcome)} is no outcome: send an object with key and value.")
        for name in outcome:
            if name not in FIELDS:
                raise _refused(number, f"there is no field {name!r}{ending(str(name), FIELDS)}")
        if "value" not in outcome:
            raise _refused(number, "it has no value: send one, or null if it will never be known.")
        key, request = outcome.get("key"), outcome.get("request_id")
        if (key is None) == (request is None):
            told = "neither a key nor a request_id" if key is None else "both a key and a request_id"
            raise _refused(number, f"it has {told}: send one of the two.")
        if key is None:
            kind, name, row = (
                OutcomeKind.BY_REQUEST,
                self._request(number, request),
                self._row(number, outcome),
            )
        else:
            kind, name, row = OutcomeKind.BY_KEY, self._key(number, key), 0
            if outcome.get("row") not in (None, 0):
                raise _refused(number, "row counts within a request: leave it out, or send a request_id.")
        value = self._value(number, outcome["value"])
        return OutcomeItem(int(kind), name, row, value, self._known_at(number, outcome, received_us))

    def _request(self, number: int, request: Any) -> str:
        if not isinstance(request, str) or not request:
            raise _refused(number, f"request_id is {_shown(request)}: send the id that the answer carried.")
        return request

    def _row(self, number: int, outcome: Mapping[str, Any]) -> int:
        row = outcome.get("row")
        if row is None:
            return 0
        if isinstance(row, bool) or not isinstance(row, int) or not 0 <= row <= LARGEST_ROW:
            raise _refused(number, f"row is {_shown(row)}: send the number of the row, counted from 0.")
        return row

    def _key(self, number: int, key: Any) -> str:
        names = self._data.key
        if not isinstance(key, Mapping):
            raise _refused(number, f"key is {_shown(key)}: send an object with {', '.join(names)}.")
        for name in key:
            if name not in names:
                raise _refused(number, f"{name!r} is no column of the key{ending(str(name), names)}")
        return key_text([self._key_value(number, name, key.get(name)) for name in names])

    def _key_value(self, number: int, name: str, value: Any) -> str | int:
        if value is None:
            raise _refused(number, f"the key column {name!r} has no value: a key has to be whole.")
        if name == self._data.time:
            return _timed(number, self._parse_time, value)
        if not isinstance(value, str | bool | int | float):
            raise _refused(number, f"the key column {name!r} holds {_shown(value)}: send text or a number.")
        if isinstance(value, float) and not math.isfinite(value):
            raise _refused(number, f"the key column {name!r} holds {value}: send text or a finite number.")
        if isinstance(value, int) and abs(value) > LARGEST_KEY:
            raise _refused(number, f"the key column {name!r} holds a number beyond 64 bits: send it as text.")
        try:
            text = key_part(value, self._kinds[name])
        except ValueError as wanted:
            raise _refused(
                number, f"the key column {name!r} holds {_shown(value)} where it needs {wanted}: correct it."
            ) from None
        if name in self._secret:
            assert self._hashed is not None
            return self._hashed(text)
        return text

    def _value(self, number: int, value: Any) -> float | None:
        if value is None:
            return None
        kind = self._data.target.kind
        if not fits(value, kind):
            raise _refused(number, f"value is {_shown(value)}: the outcome is {WANTED[kind]}.")
        return float(value)

    def _known_at(self, number: int, outcome: Mapping[str, Any], received_us: int) -> int:
        value = outcome.get("known_at")
        if value is None:
            return received_us
        try:
            return self._parse_known_at(value)
        except JomonError as error:
            said = str(error).replace(f"column {self._data.time!r}", "known_at")
            raise _refused(number, said) from None


def fits(value: Any, kind: str) -> bool:
    """Whether a value that is not None can be an outcome of a target of `kind`; text never can.

    >>> fits(True, "binary"), fits(2, "binary"), fits(3.0, "count"), fits(True, "count"), fits(1e400, "regression")
    (True, False, True, False, False)
    """
    if kind == "binary":
        return isinstance(value, bool | int | float) and value in (0, 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind == "count":
        return 0 <= value <= LARGEST_COUNT and value == int(value)
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _timed(number: int, parse: Callable[[Any], int], value: Any) -> int:
    try:
        return parse(value)
    except JomonError as error:
        raise DataError(f"Outcome {number}: {error}") from None


def _refused(number: int, what: str) -> DataError:
    return DataError(f"Outcome {number}: {what}")


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    try:
        text = repr(value) if not isinstance(value, bool) else str(value).lower()
    except ValueError:  # a number of more digits than Python writes out
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

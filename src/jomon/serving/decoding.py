"""Bodies of prediction requests, checked and typed while they are parsed.

Every fleet has its own decoder, made from the columns that its rows bring, so that a mistyped or renamed column is
found by the parser itself and a good row costs one pass over its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from jomon.core.row_columns import RowColumns
from jomon.core.suggest import ending
from jomon.serving.errors import RequestError

ABSENT = msgspec.UNSET
"""What stands for a column that the caller did not send."""
Number = float | None
Text = str | bool | int | float | None
Time = str | None

_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_ROW = re.compile(r"\.rows\[(?P<row>\d+|\.\.\.)\](?:\.(?P<column>.*))?$", re.DOTALL)
_TICKED = re.compile(r"`([^`]*)`", re.DOTALL)
_KINDS = {"number": "a number or null", "text": "text or null", "time": "text"}
_GIVEN = {
    "str": "text", "int": "a number", "float": "a number", "bool": "true or false", "array": "a list",
    "object": "an object",
}  # fmt: skip

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)
"""What reading a body that is no JSON raises."""


class PredictBody(Protocol):
    """One prediction request: n rows (`raw_rows` makes tuples of them), the caller's id, whether to explain."""

    rows: list[Any]
    id: str | None
    explain: bool


raw_row = msgspec.structs.astuple
"""A decoded row as a tuple in the order of `RowColumns`."""


class BodyDecoder:
    """Decodes `{"rows": [{...}], "id": ..., "explain": ...}` for one fleet."""

    def __init__(self, columns: RowColumns, *, ignore_unknown: bool) -> None:
        self.columns = columns
        self._decode = _decoder(row_type(columns, ignore_unknown=ignore_unknown)).decode
        # Truth values in columns of numbers count 1 and 0; a body without them need not pay for that.
        self._lenient = _decoder(row_type(columns, ignore_unknown=ignore_unknown, truths=True)).decode
        self._numbers = [f"c{at}" for at, column in enumerate(columns) if column.kind == "number"]

    def decode(self, data: bytes) -> PredictBody:
        """The request in `data`; raises `RequestError` (400 for no JSON, 422 for rows that do not fit)."""
        try:
            body: Any = self._decode(data)
        except msgspec.ValidationError:
            return self._second_look(data)
        except UNREADABLE as error:
            raise _unreadable(error) from None
        return body  # type: ignore[no-any-return]

    def _second_look(self, data: bytes) -> PredictBody:
        """A body that does not fit as it is: its truth values made numbers, or the reason why it is refused."""
        try:
            body: Any = self._lenient(data)
        except msgspec.ValidationError as error:
            raise RequestError(422, self._sentence(str(error)), "invalid") from None
        except UNREADABLE as error:  # the first look did not come so far
            raise _unreadable(error) from None
        for row in body.rows:
            for name in self._numbers:
                if isinstance(getattr(row, name), bool):
                    setattr(row, name, float(getattr(row, name)))
        return body  # type: ignore[no-any-return]

    def _sentence(self, problem: str) -> str:
        place = _PLACE.match(problem)
        assert place is not None
        what, path = place["what"], place["path"] or ""
        found = _ROW.match(path)
        named = _TICKED.findall(what)
        if found is None:
            where = f" at {path.lstrip('.')}" if path else ""
            return f'The body does not fit: {what}{where}; send {{"rows": [{{...}}]}} as /docs shows.'
        row = f"Row {found['row']}" if found["row"] != "..." else "A row"
        if found["column"] is not None:
            return f"{row}: column {found['column']!r} holds {self._given(what, named, found['column'])}"
        if "missing required field" in what:
            return f"{row}: column {named[0]!r} is missing: send it, null if it has no value."
        if "unknown field" in what:
            end = ending(named[0], self.columns.names)
            return f"{row}: the fleet has no column {named[0]!r}{end}"
        return f"{row}: {what}; send an object with one value per column."

    def _given(self, what: str, named: Sequence[str], column: str) -> str:
        if "out of range" in what:
            return "a number beyond what a float can hold: correct it."
        given = named[-1] if named else "something else"
        kinds = {one.name: one.kind for one in self.columns}
        wanted = _KINDS.get(kinds.get(column, ""), "another value")
        return f"{_GIVEN.get(given, given)} where it needs {wanted}: correct it."


def _unreadable(error: Exception) -> RequestError:
    return RequestError(400, f"The body is no JSON that can be read ({error}): correct it.", "malformed")


def _decoder(row: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    body = msgspec.defstruct(
        "Body",
        [("rows", list[row]), ("id", str | None, None), ("explain", bool, False)],  # type: ignore[valid-type]
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.json.Decoder(body)


def row_type(columns: RowColumns, *, ignore_unknown: bool, truths: bool = False) -> type[msgspec.Struct]:
    """The type of one row: a field per column, in order; what is not required may be left out. With `truths` numbers
    may be true or false."""
    types: Mapping[str, Any] = {"number": Number | bool if truths else Number, "text": Text, "time": Time}
    fields = []
    for at, column in enumerate(columns):
        kind = types[column.kind]
        fields.append((f"c{at}", kind) if column.required else (f"c{at}", kind | msgspec.UnsetType, ABSENT))
    return msgspec.defstruct(
        "Row",
        fields,
        kw_only=True,
        gc=False,
        rename={f"c{at}": name for at, name in enumerate(columns.names)},
        forbid_unknown_fields=not ignore_unknown,
    )


def rows_of_columns(
    columns: RowColumns, sent: Mapping[str, Sequence[Any]], count: int, *, ignore_unknown: bool
) -> list[tuple[Any, ...]]:
    """Rows as tuples from columns of `count` values each; raises `RequestError` as the decoder does."""
    if not ignore_unknown:
        for name in sent:
            if name not in columns.names:
                raise RequestError(
                    422, f"The fleet has no column {name!r}{ending(name, columns.names)}", "invalid"
                )
    taken: list[Sequence[Any]] = []
    for column in columns:
        values = sent.get(column.name)
        if values is None:
            if column.required:
                raise RequestError(422, f"Column {column.name!r} is missing: send it.", "invalid")
            taken.append([ABSENT] * count)
            continue
        taken.append(_numbers(column.name, values) if column.kind == "number" else values)
    return list(zip(*taken, strict=True))


def _numbers(name: str, values: Sequence[Any]) -> list[float | None]:
    for row, value in enumerate(values):
        if isinstance(value, str):
            raise RequestError(
                422, f"Row {row}: column {name!r} holds the text {value!r}: send a number.", "invalid"
            )
    return [None if value is None else float(value) for value in values]

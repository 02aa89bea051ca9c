"""The canonical text of a row's key: by it an outcome finds the prediction that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from json.encoder import encode_basestring

from jomon.core.columns import as_text

KeyValue = str | float | int | bool | None


def key_text(values: Sequence[KeyValue]) -> str:
    """The key of a row as a JSON array of texts without blanks, in the order of `data.key`.

    A value is its text as a category (7, 7.0 and "7" are "7"), the time its microseconds since 1970-01-01 UTC, a
    hashed column its hash, a missing value null.

    >>> key_text(["UA", 1545.0, "EWR", 1357034400000000])
    '["UA","1545","EWR","1357034400000000"]'
    """
    return f"[{','.join(map(_json, values))}]"


def key_texts(columns: Sequence[Iterable[KeyValue]]) -> Iterator[str]:
    """`key_text` of n rows given as columns of n values."""
    rows = zip(*(map(_json, column) for column in columns), strict=True)
    return (f"[{row}]" for row in map(",".join, rows))


def _json(value: KeyValue) -> str:
    if type(value) is str:
        return encode_basestring(value)
    if value is None or value != value:  # noqa: PLR0124 - NaN is missing, as everywhere
        return "null"
    return encode_basestring(as_text(value))

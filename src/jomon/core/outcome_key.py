"""The canonical text of a row's key: by it an outcome finds the prediction that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from json import JSONEncoder

from jomon.core.columns import as_text

KeyValue = str | float | int | bool | None
_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def key_text(values: Sequence[KeyValue]) -> str:
    """The key of a row as a JSON array of texts without blanks, in the order of `data.key`.

    A value is its text as a category (7, 7.0 and "7" are "7"), the time its microseconds since 1970-01-01 UTC, a
    hashed column its hash, a missing value null.

    >>> key_text(["UA", 1545.0, "EWR", 1357034400000000])
    '["UA","1545","EWR","1357034400000000"]'
    """
    return _encode([_text(value) for value in values])


def key_texts(columns: Sequence[Iterable[KeyValue]]) -> Iterator[str]:
    """`key_text` of n rows given as columns of n values."""
    return map(_encode, zip(*(map(_text, column) for column in columns), strict=True))


def _text(value: KeyValue) -> str | None:
    if value is None or type(value) is str:
        return value
    return None if value != value else as_text(value)  # noqa: PLR0124 - NaN is missing, as everywhere

"""Digests of rows: 128 bits of content, the same in every version, machine and order of columns.

A row is seen again when its digest is known. Numbers count by value (7 and 7.0 are equal, so an integer
column that turns into floats when a null arrives changes nothing); text by its bytes; a null adds nothing,
so a new column that is empty in old rows leaves them as they were. Not a defence against someone who seeks
collisions.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_INTEGRAL = 2.0**63
_NAN = np.uint64(0x7FF8000000000001)
_FRACTION = np.uint64(0x9E3779B97F4A7C15)
"""Set apart from the integers: 0.5 has bits that an integer could have too."""


_WHOLE = "^(0|-?[1-9][0-9]{0,17})$"
_DECIMAL = r"^-?(0|[1-9][0-9]*)\.[0-9]*[1-9]$"
_DIGITS = 16
"""Numbers whose writing is theirs alone: within 15 digits no two of them are one float."""


def row_digests(frame: pl.DataFrame) -> tuple[Words, Words]:
    """Two 64-bit words per row of `frame` (n); the k-th copy of equal rows gets digests of its own."""
    first, second = content_digests(frame)
    copies = _copies(first, second)
    if copies is not None:
        repeated = copies > 0
        first[repeated] = _mix(first[repeated] + copies[repeated] * _FRACTION)
        second[repeated] = _mix(second[repeated] ^ (copies[repeated] * _FRACTION))
    return first, second


def content_digests(frame: pl.DataFrame) -> tuple[Words, Words]:
    """Two 64-bit words per row of `frame` (n) from content alone."""
    first, second = np.zeros(frame.height, np.uint64), np.zeros(frame.height, np.uint64)
    for name in frame.columns:
        seeds = np.frombuffer(blake2b(name.encode(), digest_size=16).digest(), np.uint64)
        column = frame[name]
        low, high = _values(column)
        low, high = _mix(low ^ seeds[0]), _mix(high + seeds[1])
        if column.null_count():
            there = column.is_not_null().to_numpy()
            low, high = low * there, high * there
        first += low
        second += high
    return _mix(first), _mix(second)


def set_digest(first: Words, second: Words) -> int:
    """A digest of rows as a set, their order left out: the sums of both words, side by side in 128 bits."""
    return _sum(first) | _sum(second) << 64


def united(a: int, b: int) -> int:
    """The set digest of the rows of both; word by word, so that no carry tells how rows were grouped.

    >>> united(2**64 - 1, 1)
    0
    """
    low = (a + b) % 2**64
    return low | ((a >> 64) + (b >> 64)) % 2**64 << 64


def _sum(words: Words) -> int:
    return int(words.sum(dtype=np.uint64)) if len(words) else 0


def _values(column: pl.Series) -> tuple[Words, Words]:
    """Two words per value; those of nulls mean nothing."""
    kind = column.dtype
    if kind.is_integer() or kind == pl.Boolean:
        words = column.cast(pl.Int64, strict=False).fill_null(0).to_numpy().astype(np.int64).view(np.uint64)
        return words, words
    if kind.is_float():
        words = _float_words(column.cast(pl.Float64).fill_null(0.0).to_numpy())
        return words, words
    if kind == pl.Date or isinstance(kind, pl.Datetime):
        words = (
            column.cast(pl.Datetime("us"))
            .to_physical()
            .fill_null(0)
            .to_numpy()
            .astype(np.int64)
            .view(np.uint64)
        )
        return words, words
    return _text_words(_text(column))


def _float_words(values: NDArray[np.float64]) -> Words:
    with np.errstate(invalid="ignore"):
        whole = (np.abs(values) < _INTEGRAL) & (np.trunc(values) == values)
        integers = np.where(whole, values, 0.0).astype(np.int64).view(np.uint64)
    bits = np.where(np.isnan(values), _NAN, np.ascontiguousarray(values).view(np.uint64))
    return np.where(whole, integers, bits ^ _FRACTION)


def _text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        return column
    if isinstance(column.dtype, pl.Decimal):
        # The scale of a column follows its values: 0.50 in one source is 0.5 in the next.
        return column.cast(pl.String).str.replace(r"(\.\d*?)0+$", "$1").str.strip_suffix(".")
    if column.dtype == pl.Binary:
        return column.bin.encode("hex")
    if column.dtype.is_nested():
        return column.to_frame("v").select(pl.struct("v").struct.json_encode())["v"]
    return column.cast(pl.String)


def _text_words(column: pl.Series) -> tuple[Words, Words]:
    """Text that is the plain writing of a number counts as it: columns turn from one into the other."""
    distinct = column.drop_nulls().unique()
    joined = b"".join(blake2b(text.encode(), digest_size=16).digest() for text in distinct.to_list())
    words = np.frombuffer(joined, np.uint64).reshape(-1, 2).copy()
    whole = distinct.str.contains(_WHOLE).to_numpy()
    words[whole] = distinct.filter(whole).cast(pl.Int64).to_numpy().view(np.uint64)[:, None]
    decimal = (distinct.str.contains(_DECIMAL) & (distinct.str.len_bytes() <= _DIGITS)).to_numpy()
    words[decimal] = _float_words(distinct.filter(decimal).cast(pl.Float64).to_numpy())[:, None]
    if not len(words):
        nothing = np.zeros(len(column), np.uint64)
        return nothing, nothing
    at = column.cast(pl.Enum(distinct)).to_physical().fill_null(0).to_numpy()
    return words[at, 0], words[at, 1]


def _copies(first: Words, second: Words) -> Words | None:
    """For each row how many equal rows came before it; None where all rows differ."""
    order = np.lexsort((np.arange(len(first)), second, first))
    a, b = first[order], second[order]
    same = np.zeros(len(first), bool)
    same[1:] = (a[1:] == a[:-1]) & (b[1:] == b[:-1])
    if not same.any():
        return None
    position = np.arange(len(first))
    start = np.maximum.accumulate(np.where(same, 0, position))
    copies = np.empty(len(first), np.uint64)
    copies[order] = (position - start).astype(np.uint64)
    return copies


def _mix(words: Words) -> Words:
    """The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): every bit in moves every bit out."""
    with np.errstate(over="ignore"):
        words = words + _FRACTION
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(words ^ (words >> np.uint64(31)))

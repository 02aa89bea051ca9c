"""The records of a journal as values, checked while they are decoded: what is not as it should be is no record."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta, Struct

from jomon.core.errors import DataError

FORMAT = 1
Micros = Annotated[int, Meta(ge=-62_135_596_800_000_000, le=253_402_300_799_999_999)]
"""Microseconds since 1970-01-01 UTC, in the years 1 to 9999."""
Number = Annotated[int, Meta(ge=0, lt=2**31)]
Span = Annotated[int, Meta(ge=-(2**62), lt=2**62)]


class Beginning(Struct, frozen=True):
    """The first record of a file: which life of a writer it belongs to."""

    journal: str


class Header(Struct, frozen=True, dict=True):
    """What predictions share: the image that answered, and the recorded columns, each "number" or "text"."""

    id: int
    format: int
    image: str
    reference: str
    role: str
    columns: tuple[tuple[str, Literal["number", "text"]], ...]
    key: tuple[str, ...]
    time: str

    @cached_property
    def decoder(self) -> msgspec.msgpack.Decoder[Any]:
        """Decodes the `Prediction`s that name this header: each value has to fit its column."""
        kinds: dict[str, Any] = {"number": float | None, "text": str | None}
        width: Any = tuple(kinds[kind] for _, kind in self.columns)
        row: Any = msgspec.defstruct(
            "Row",
            [
                ("number", Number),
                ("time_us", Micros),
                ("answer", float),
                ("margin", float),
                ("chain", tuple[str, ...]),
                ("values", tuple.__class_getitem__(width) if width else tuple[()]),
                ("missed", tuple[str, ...]),
            ],
            array_like=True,
            gc=False,
        )
        record = msgspec.defstruct(
            "Prediction",
            [
                ("header", int),
                ("request_id", str),
                ("caller_id", str | None),
                ("received_us", Micros),
                ("latency_us", Span),
                ("rows", list[row]),
            ],
            array_like=True,
            gc=False,
        )
        return msgspec.msgpack.Decoder(record)


class Row(Protocol):
    """One row of a request: its number, time, answer, chain (the root first), values of the header's columns, and the
    lookups that had nothing for it."""

    number: int
    time_us: int
    answer: float
    margin: float
    chain: tuple[str, ...]
    values: tuple[float | str | None, ...]
    missed: tuple[str, ...]


class Prediction(Protocol):
    """One answered request."""

    header: int
    request_id: str
    caller_id: str | None
    received_us: int
    latency_us: int
    rows: list[Row]


class Item(Struct, array_like=True, gc=False):
    """One outcome: `of` is a key's text (kind 0) or a request id (kind 1)."""

    kind: Literal[0, 1]
    of: str
    row: Number | None
    value: float | None
    known_at_us: Micros | None


class Report(Struct, array_like=True, gc=False):
    """One report of outcomes."""

    received_us: Micros
    report_id: str
    items: list[Item]


class _First(Struct, array_like=True):
    header: int


read_beginning = msgspec.msgpack.Decoder(Beginning).decode
read_report = msgspec.msgpack.Decoder(Report).decode
_read_header = msgspec.msgpack.Decoder(Header).decode
_read_map = msgspec.msgpack.Decoder(dict[str, Any]).decode
_read_first = msgspec.msgpack.Decoder(_First).decode


def read_header(body: bytes, where: str) -> Header:
    """A header; raises `DataError` for one of a newer jomon (`where` it stands), `msgspec.DecodeError` for none."""
    found = _read_map(body).get("format")
    if isinstance(found, int) and found > FORMAT:
        raise DataError(f"{where} was written by a newer jomon than this one: upgrade the mover.")
    return _read_header(body)


def read_prediction(body: bytes, headers: dict[int, Header]) -> tuple[Header, Prediction]:
    """A prediction with its header; raises `msgspec.DecodeError` where it is none, KeyError where no header fits."""
    small = (
        len(body) > 1 and body[0] >> 4 == 0x9 and body[1] < 0x80
    )  # a short array that begins with a small number
    header = headers[body[1] if small else _read_first(body).header]
    return header, header.decoder.decode(body)

"""Framing: what was framed is read back, and neither a torn tail nor damage takes a whole frame with it."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.journal import HEAD, LIMIT, Fault, frame, framed, next_frame, scan

bodies = st.binary(min_size=0, max_size=60)
payloads = st.lists(
    st.tuples(st.sampled_from([b"\x00\x81", b"\x01\x96", b"\x02\x93"]), bodies), max_size=12
).map(lambda pairs: [head + body for head, body in pairs])


def read(buffer: bytes, offset: int = 0) -> list[bytes]:
    return [buffer[start:end] for start, end in scan(buffer, offset).spans]


@given(payloads)
def test_what_was_framed_is_read_back_in_order(given_payloads: list[bytes]) -> None:
    buffer = framed(given_payloads)
    found = scan(buffer)
    assert read(buffer) == given_payloads
    assert (found.end, found.fault) == (len(buffer), None)


@given(payloads, st.data())
def test_a_torn_tail_costs_the_last_frame_alone(given_payloads: list[bytes], data: st.DataObject) -> None:
    """Cut anywhere: the frames that end before the cut are read, and the end is where the last of them ends."""
    buffer = framed(given_payloads)
    cut = data.draw(st.integers(0, len(buffer)))
    ends = [0]
    for one in given_payloads:
        ends.append(ends[-1] + HEAD + len(one))
    whole = [end for end in ends if end <= cut]
    found = scan(buffer[:cut])
    assert read(buffer[:cut]) == given_payloads[: len(whole) - 1]
    assert found.end == whole[-1]
    assert found.fault is (None if cut == whole[-1] else Fault.TORN)


@given(payloads, payloads)
def test_reading_goes_on_from_the_end_of_what_was_read(first: list[bytes], second: list[bytes]) -> None:
    start, whole = framed(first), framed([*first, *second])
    assert read(whole, scan(start).end) == second


@given(payloads.filter(bool), st.data())
def test_one_wrong_bit_costs_one_frame(given_payloads: list[bytes], data: st.DataObject) -> None:
    """Every frame before the damaged one is read, and every frame behind it is found again."""
    buffer = bytearray(framed(given_payloads))
    which = data.draw(st.integers(0, len(given_payloads) - 1))
    start = len(framed(given_payloads[:which]))
    place = data.draw(st.integers(start, start + HEAD + len(given_payloads[which]) - 1))
    buffer[place] ^= 1 << data.draw(st.integers(0, 7))
    damaged = bytes(buffer)
    found = scan(damaged)
    assert read(damaged) == given_payloads[:which]
    assert found.end == start
    assert found.fault is not None
    again = next_frame(damaged, found.end)
    later = given_payloads[which + 1 :]
    assert (again is None) == (later == [])
    assert again is None or read(damaged, again) == later


def test_a_hole_of_zeros_is_damage_and_no_empty_frame() -> None:
    """A power cut may leave zeros where data was to be; the checksum of nothing is zero too."""
    before, after = frame(b"\x01\x96one"), frame(b"\x01\x96two")
    buffer = before + bytes(4096) + after
    found = scan(buffer)
    assert (read(buffer), found.fault) == ([b"\x01\x96one"], Fault.DAMAGED)
    again = next_frame(buffer, found.end)
    assert again == len(before) + 4096


def test_a_length_that_no_frame_has_is_damage() -> None:
    head = (LIMIT + 1).to_bytes(4, "little") + crc32(b"").to_bytes(4, "little")
    assert scan(head).fault is Fault.DAMAGED


@pytest.mark.parametrize("size", [0, LIMIT + 1])
def test_a_payload_of_no_bytes_or_too_many_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="is no frame"):
        frame(bytes(size))

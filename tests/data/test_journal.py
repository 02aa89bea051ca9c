"""Reading a journal: files in order, whole frames alone, damage told and passed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jomon.core.errors import StoreError
from jomon.core.journal import HEAD, framed
from jomon.core.journal_files import FileName
from jomon.data.journal import LogFile, log_files, moving, read_piece
from jomon.serving.journal import Journal

payloads = st.lists(st.binary(max_size=40).map(lambda body: b"\x02\x93" + body), min_size=1, max_size=8)


def a_file(folder: Path, data: bytes, *, finished: bool = True) -> LogFile:
    path = folder / str(FileName(0, 1))
    path.write_bytes(data)
    return LogFile(path, FileName(0, 1), finished)


def read_all(file: LogFile, limit: int) -> list[bytes]:
    """Everything in pieces of about `limit` bytes."""
    found, offset = [], 0
    while True:
        piece = read_piece(file, offset, limit)
        found += [piece.data[start:end] for start, end in piece.spans]
        offset = piece.end
        if piece.ended or not piece.spans:
            return found


@given(payloads, st.integers(1, 200))
def test_pieces_of_any_size_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory, given_payloads: list[bytes], limit: int
) -> None:
    file = a_file(tmp_path_factory.mktemp("log"), framed(given_payloads))
    assert read_all(file, limit) == given_payloads


@given(payloads, st.data(), st.integers(1, 200), st.booleans())
def test_a_torn_tail_is_passed_in_a_dead_file_and_waited_for_in_a_live_one(
    tmp_path_factory: pytest.TempPathFactory,
    given_payloads: list[bytes],
    data: st.DataObject,
    limit: int,
    finished: bool,
) -> None:
    whole = framed(given_payloads)
    cut = data.draw(st.integers(len(framed(given_payloads[:-1])), len(whole) - 1))
    file = a_file(tmp_path_factory.mktemp("log"), whole[:cut], finished=finished)
    assert read_all(file, limit) == given_payloads[:-1]
    last = read_piece(file, len(framed(given_payloads[:-1])), limit)
    assert (last.spans, last.gaps, last.ended, last.stuck) == ([], (), finished, False)


@settings(max_examples=60)
@given(payloads, st.data(), st.integers(1, 200))
def test_damage_costs_the_frames_it_touches_and_is_told(
    tmp_path_factory: pytest.TempPathFactory, given_payloads: list[bytes], data: st.DataObject, limit: int
) -> None:
    """Any bytes anywhere are overwritten: every frame that was not touched is read."""
    buffer = bytearray(framed(given_payloads))
    start = data.draw(st.integers(0, len(buffer) - 1))
    end = data.draw(st.integers(start + 1, min(len(buffer), start + 60)))
    junk = bytes(255 - byte for byte in buffer[start:end])
    buffer[start:end] = junk
    file = a_file(tmp_path_factory.mktemp("log"), bytes(buffer))
    kept, at = [], 0
    for one in given_payloads:
        if at + HEAD + len(one) <= start or at >= end:
            kept.append(one)
        at += HEAD + len(one)
    found, gaps, offset, ended = [], [], 0, False
    while not ended:
        piece = read_piece(file, offset, limit)
        found += [piece.data[s:e] for s, e in piece.spans]
        gaps += piece.gaps
        offset, ended = piece.end, piece.ended
    assert found == kept
    assert gaps or kept == given_payloads[: len(kept)]  # what looks torn at the end is no damage


def test_damage_in_a_live_file_is_waited_for(tmp_path: Path) -> None:
    data = bytearray(framed([b"\x02\x93one", b"\x02\x93two", b"\x02\x93six"]))
    data[20] ^= 1
    piece = read_piece(a_file(tmp_path, bytes(data), finished=False), 0, 1000)
    assert [piece.data[s:e] for s, e in piece.spans] == [b"\x02\x93one"]
    assert (piece.stuck, piece.ended, piece.gaps) == (True, False, ())
    again = read_piece(a_file(tmp_path, bytes(data)), piece.end, 1000)
    assert [again.data[s:e] for s, e in again.spans] == [b"\x02\x93six"]
    assert (again.ended, again.gaps) == (True, ((13, 26),))


def test_a_file_that_shrank_under_the_reader_has_ended(tmp_path: Path) -> None:
    """A writer takes back what it could not write whole; part of it may have been read."""
    file = a_file(tmp_path, framed([b"\x02\x93one"]))
    piece = read_piece(file, 500, 1000)
    assert (piece.spans, piece.ended, piece.end) == ([], True, 500)


def test_a_file_is_finished_when_its_writer_went_on_or_died(tmp_path: Path) -> None:
    one, two = Journal.open(tmp_path, rotate_bytes=80), Journal.open(tmp_path)
    for _ in range(3):
        one.write([b"\x02\x93"])
        two.write([b"\x02\x93"])
    told = [(*file.name, file.finished) for file in log_files(tmp_path)]
    assert told == [(0, 1, True), (0, 2, True), (0, 3, False), (1, 1, False)]
    one.close()
    assert [file.finished for file in log_files(tmp_path)] == [True, True, True, False]
    two.close()


def test_looking_for_writers_never_takes_a_slot_from_one(tmp_path: Path) -> None:
    """Writers come and go while a reader looks all the time: each gets the lowest slot."""
    Journal.open(tmp_path).close()
    code = "import sys, pathlib\nfrom jomon.data.journal import log_files\nprint(flush=True)\n"
    code += "while True: log_files(pathlib.Path(sys.argv[1]))"
    looker = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert looker.stdout is not None
    looker.stdout.readline()
    try:
        for _ in range(100):
            with Journal.open(tmp_path) as journal:
                journal.write([b"\x02\x93"])
                assert journal.slot == 0
    finally:
        looker.kill()
        looker.communicate()


def test_a_second_mover_says_so(tmp_path: Path) -> None:
    second = moving(tmp_path)
    with (
        moving(tmp_path),
        pytest.raises(StoreError, match=r"Another mover moves the log in .* stop that one"),
    ):
        second.__enter__()
    with moving(tmp_path):
        pass

"""The writer of the journal: what `write` returned for is in the files, whatever the disk or the process did."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jomon.core.errors import StoreError
from jomon.core.journal import Fault, Kind, framed, scan
from jomon.serving.journal import Journal, JournalFull, payload


def record(number: int, size: int = 20, header: int = 1) -> bytes:
    return payload(Kind.PREDICTION, [header, f"{number:08d}", "x" * size])


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("w*.log"))


def contents(path: Path, *, torn: bool = False) -> list[tuple[int, Any]]:
    """Kind and value of every frame; fails where the file does not end with a whole one, unless it may be `torn`."""
    data = path.read_bytes()
    found = scan(data)
    allowed = (None, Fault.TORN) if torn else (None,)
    assert found.fault in allowed, f"{path} has a {found.fault} frame at {found.end}"
    return [(data[start], msgspec.msgpack.decode(data[start + 1 : end])) for start, end in found.spans]


def numbers(folder: Path, *, torn: bool = False) -> list[int]:
    """The numbers of all records, in the order of the files."""
    found = [pair for path in files(folder) for pair in contents(path, torn=torn)]
    return [int(value[1]) for kind, value in found if kind == Kind.PREDICTION]


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let the system refuse to write beyond `size` bytes of any file (EFBIG), as a full disk refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_written_is_in_the_file_when_write_returns(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "log") as journal:
        journal.write([record(0), record(1)])
        journal.write([record(2)])
        assert numbers(tmp_path / "log") == [0, 1, 2]


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "log") as journal:
        journal.write([record(0)])
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "log").iterdir()} == {0o600}


def test_every_file_repeats_the_headers_before_its_records(tmp_path: Path) -> None:
    """Headers declared before and after the first file, over many rotations."""
    with Journal.open(tmp_path, rotate_bytes=2000) as journal:
        first = journal.declare({"fleet": "flights"})
        for number in range(20):
            journal.write([record(number, 100, first)])
        second = journal.declare({"fleet": "births"})
        for number in range(20, 60):
            journal.write([record(number, 100, (first, second)[number % 2])])
    assert len(files(tmp_path)) > 3
    assert numbers(tmp_path) == list(range(60))
    for path in files(tmp_path):
        known: dict[int, str] = {}
        for place, (kind, value) in enumerate(contents(path)):
            assert (kind == Kind.FILE) == (place == 0)
            if kind == Kind.HEADER:
                known[value["id"]] = value["fleet"]
            if kind == Kind.PREDICTION:
                assert value[0] in known
        assert path.stat().st_size <= 2000


def test_the_same_header_has_the_same_id_and_a_retired_one_is_not_repeated(tmp_path: Path) -> None:
    with Journal.open(tmp_path, rotate_bytes=400) as journal:
        one, two = journal.declare({"image": "a"}), journal.declare({"image": "b"})
        assert journal.declare({"image": "a"}) == one != two
        journal.write([record(0, 200, one)])
        journal.retire(one)
        journal.write([record(1, 200, two)])
    headers = [[v["id"] for k, v in contents(path) if k == Kind.HEADER] for path in files(tmp_path)]
    assert headers == [[one, two], [two]]


def test_a_new_life_never_writes_to_a_file_of_an_earlier_one(tmp_path: Path) -> None:
    """Sequences go on even where every file was moved away in between."""
    for life in range(3):
        with Journal.open(tmp_path) as journal:
            journal.write([record(life)])
        (path,) = files(tmp_path)
        assert path.name == f"w00-{life + 1:010d}.log"
        path.unlink()


def test_every_life_has_an_identity_of_its_own(tmp_path: Path) -> None:
    """So that sequences which come again, in a folder put back as it was, are not taken for those moved before."""
    for _ in range(3):
        with Journal.open(tmp_path, rotate_bytes=100) as journal:
            journal.write([record(0)])
            journal.write([record(1)])
    found = [contents(path)[0][1]["journal"] for path in files(tmp_path)]
    assert found[0::2] == found[1::2]
    assert len(set(found)) == 3


def test_writers_take_the_lowest_free_slots(tmp_path: Path) -> None:
    journals = [Journal.open(tmp_path) for _ in range(3)]
    assert [journal.slot for journal in journals] == [0, 1, 2]
    journals[1].close()
    again = Journal.open(tmp_path)
    assert again.slot == 1
    for journal in (journals[0], journals[2], again):
        journal.close()


def test_an_old_file_is_left_for_a_new_one(tmp_path: Path) -> None:
    with Journal.open(tmp_path, rotate_seconds=0.0) as journal:
        journal.write([record(0)])
        journal.write([record(1)])
    assert [len(contents(path)) for path in files(tmp_path)] == [2, 2]


@pytest.mark.parametrize("sync", [0.0, 0.01])
def test_a_write_that_does_not_fit_is_refused_whole_and_later_ones_go_on(tmp_path: Path, sync: float) -> None:
    """Beyond the limit nothing of a batch is left behind, though part of it fitted."""
    with Journal.open(tmp_path, sync=sync) as journal:
        journal.write([record(0)])
        with (
            files_limited_to(3000),
            pytest.raises(JournalFull, match=r"takes no more .* nothing was recorded, nothing is answered"),
        ):
            journal.write([record(number, 500) for number in range(100, 110)])
        with files_limited_to(200), pytest.raises(JournalFull, match="only part of it fits"):
            journal.write([record(200, 500)])
        for number in range(1, 4):
            journal.write([record(number)])
    assert numbers(tmp_path) == [0, 1, 2, 3]
    assert [path.name for path in files(tmp_path)] == ["w00-0000000001.log", "w00-0000000002.log"]


def test_a_full_disk_keeps_everything_acknowledged_and_nothing_torn(small_disk: Path) -> None:
    """Writes of all sizes until nothing fits, then files are moved away and writing goes on; three times."""
    folder, refused = small_disk / "log", 0
    acknowledged: list[int] = []
    with Journal.open(folder, rotate_bytes=200_000) as journal:
        for number in range(3000):
            try:
                journal.write([record(number, 37 * (number % 97))])
                acknowledged.append(number)
            except JournalFull as error:
                assert "No space left on device" in str(error) or "only part of it fits" in str(error)
                refused += 1
            if number % 1000 == 999:
                assert numbers(folder) == acknowledged
                for path in files(folder)[:-1]:
                    path.unlink()
                acknowledged = numbers(folder)
    assert refused > 500
    assert numbers(folder) == acknowledged


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot be opened .*mend its permissions\.$"):
        Journal.open(tmp_path / "log" / "flights")


def test_a_sync_that_the_disk_refuses_is_told_to_those_who_wait_and_counted(tmp_path: Path) -> None:
    """The descriptor is taken away from under the journal, so that the system refuses to sync it."""
    journal = Journal.open(tmp_path, sync=0)
    journal.write([record(0)])
    mark = journal.write([record(1)], wait=False)
    read, write = os.pipe()
    os.dup2(write, journal._file)
    with pytest.raises(JournalFull, match="refused to keep"):
        journal.synced(mark)
    os.close(read)
    os.close(write)
    assert journal.failed_syncs == 1
    journal.write([record(2)])
    with pytest.raises(JournalFull, match="refused to keep"):
        journal.synced(mark)
    journal.close()
    assert numbers(tmp_path) == [0, 1, 2]


def test_threads_write_at_once_and_nothing_is_mixed(tmp_path: Path) -> None:
    with Journal.open(tmp_path, sync=0, rotate_bytes=5000) as journal:

        def some(first: int) -> None:
            for number in range(first, first + 50):
                journal.write([record(number)])

        threads = [threading.Thread(target=some, args=(k * 50,)) for k in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(numbers(tmp_path)) == list(range(300))


def test_the_background_sync_follows_a_write(tmp_path: Path) -> None:
    """Observed in what the journal counts as synced; the wait is for the event, whenever it comes."""
    with Journal.open(tmp_path, sync=0.005) as journal:
        mark = journal.write([record(0)])
        while journal._synced < mark:
            threading.Event().wait(0.001)
        journal.synced(mark)


WRITER = """
import os, sys
from jomon.core.journal import Kind
from jomon.serving.journal import Journal, payload

journal = Journal.open(sys.argv[1], rotate_bytes=20_000)
journal.declare({"fleet": "flights"})
number = int(sys.argv[2])
while True:
    journal.write([payload(Kind.PREDICTION, [1, f"{number:08d}", "x" * (number % 700)])])
    os.write(1, b"%d\\n" % number)
    number += 1
"""


def test_a_killed_writer_leaves_everything_it_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    for life in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(life * 1_000_000)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(300 + 97 * life):
            acknowledged.append(int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
        process.wait()
        process.stdout.close()
    found = numbers(tmp_path, torn=True)
    assert len(set(found)) == len(found)
    assert set(acknowledged) <= set(found)
    assert len(found) <= len(acknowledged) + 4
    assert {path.name[:3] for path in files(tmp_path)} == {"w00"}


def test_frames_of_one_call_are_one_after_the_other(tmp_path: Path) -> None:
    batch = [record(number) for number in range(5)]
    with Journal.open(tmp_path) as journal:
        journal.write([record(9)])
        journal.write(batch)
    assert files(tmp_path)[0].read_bytes().endswith(framed(batch))

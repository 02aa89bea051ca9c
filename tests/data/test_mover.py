"""The mover: each record of a journal in the tables once, files away when all of them is there, damage told."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from jomon.core.errors import DataError, StoreError
from jomon.core.journal import Kind, frame
from jomon.data import mover as mover_module
from jomon.data.mover import Moved, MoveRules
from jomon.data.predictions import FIXED
from jomon.serving.journal import payload

from .log_help import DAY_US, HEADER, START, Log, report, request


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_a_request_becomes_rows_with_everything_that_was_recorded(log: Log) -> None:
    with log.journal() as journal:
        journal.write([request(journal.declare(HEADER), "abc", rows=2, received=START + 5, time=START)])
    moved = log.move()
    assert moved == Moved(predictions=2, files=1)
    frame = log.predictions()
    assert set(frame.columns) == {*FIXED, "departure", "carrier", "distance", "column_day"}
    row = frame.row(1, named=True)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert row == {
        "request_id": "abc",
        "row": 1,
        "caller_id": None,
        "received_at": moment + timedelta(microseconds=5),
        "day": date(2026, 1, 1),
        "latency_us": 450,
        "key": f'["UA","{START + 1}"]',
        "role": "champion",
        "image": "sha256:aa",
        "reference": "flights:latest",
        "answer": 0.25,
        "margin": -1.1,
        "member": "carrier=UA",
        "chain": ["", "carrier=UA"],
        "missed": ["weather"],
        "departure": moment + timedelta(microseconds=1),
        "carrier": "UA",
        "distance": 101.0,
        "column_day": None,
    }


def test_a_key_of_which_a_part_is_not_recorded_is_null(log: Log) -> None:
    columns = [column for column in HEADER["columns"] if column[0] != "carrier"]
    with log.journal() as journal:
        header = journal.declare({**HEADER, "columns": columns})
        journal.write([request(header, "abc", values=[1.0, None])])
    log.move()
    assert log.predictions()["key"].to_list() == [None]


def test_a_live_file_is_moved_as_it_grows_and_stays(log: Log) -> None:
    with log.journal() as journal, log.mover() as mover:
        header = journal.declare(HEADER)
        for number in range(5):
            journal.write([request(header, f"r{number}")])
            assert mover.move() == Moved(predictions=1)
            assert mover.move() == Moved()
        assert log.files == ["w00-0000000001.log"]
        journal.close()
        assert mover.move() == Moved(files=1)
    assert log.files == []
    assert log.ids == [f"r{number}" for number in range(5)]


def test_files_of_many_writers_and_lives_are_moved_in_batches(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mover_module, "BATCH_BYTES", 3000)
    names = []
    for life in range(3):
        journals = [log.journal(rotate_bytes=2000) for _ in range(2)]
        for number in range(60):
            name = f"{life}-{number:03d}"
            journal = journals[number % 2]
            journal.write([request(journal.declare(HEADER), name)])
            names.append(name)
        for journal in journals:
            journal.close()
    assert len(log.files) > 10
    assert log.move().predictions == 180
    assert log.ids == names
    assert log.files == []


def test_columns_that_a_later_image_records_are_added(log: Log) -> None:
    with log.journal() as journal:
        journal.write([request(journal.declare(HEADER), "old")])
        log.move()
        later = {**HEADER, "image": "sha256:bb", "columns": [*HEADER["columns"], ["origin", "text"]]}
        journal.write([request(journal.declare(later), "new", values=["AA", 2.0, "mon", "EWR"])])
        journal.write([request(journal.declare(HEADER), "old2")])
    log.move()
    frame = log.predictions().sort("request_id")
    assert frame["origin"].to_list() == ["EWR", None, None]
    assert frame["image"].to_list() == ["sha256:bb", "sha256:aa", "sha256:aa"]


def test_a_column_whose_type_changed_is_an_error_that_keeps_the_log(log: Log) -> None:
    with log.journal() as journal:
        journal.write([request(journal.declare(HEADER), "old")])
        log.move()
        later = {**HEADER, "columns": [["carrier", "number"], *HEADER["columns"][1:]]}
        journal.write([request(journal.declare(later), "new", values=[7.0, 2.0, None])])
    before = log.files
    with pytest.raises(
        DataError, match=r"'carrier' is recorded as numbers now, .* has text: .* the log keeps"
    ):
        log.move()
    assert log.files == before
    assert log.ids == ["old"]


def test_two_images_of_one_pass_that_disagree_are_told(log: Log) -> None:
    with log.journal() as journal:
        journal.write([request(journal.declare(HEADER), "a")])
        later = {**HEADER, "columns": [["carrier", "number"], *HEADER["columns"][1:]]}
        journal.write([request(journal.declare(later), "b", values=[7.0, 2.0, None])])
    with pytest.raises(
        DataError, match="'carrier' is recorded as numbers by one image and as text by another"
    ):
        log.move()


def test_outcomes_are_appended_with_their_status(log: Log) -> None:
    log.rules = MoveRules(late_after=timedelta(hours=1), time="departure")
    key = f'["UA","{START}"]'
    with log.journal() as journal:
        journal.write([request(journal.declare(HEADER), "abc", received=START)])
        journal.write([report("r1", [0, key, 0, 1.0, None], [1, "abc", 0, 1.0, None], received=START + 9)])
        assert log.move().outcomes == {"new": 2}
        journal.write([report("r2", [0, key, 0, 0.0, None], received=START + 99)])
        journal.write([report("r3", [0, key, 0, 0.0, None], received=START + DAY_US)])
        assert log.move().outcomes == {"conflicting": 1, "late": 1}
    frame = log.outcomes()
    assert frame["status"].to_list() == ["new", "new", "conflicting", "late"]
    assert frame["report_id"].to_list() == ["r1", "r1", "r2", "r3"]


def test_damage_in_the_middle_costs_one_record_and_the_file_is_kept(log: Log) -> None:
    with log.journal() as journal:
        header = journal.declare(HEADER)
        sizes = [journal.write([request(header, f"r{number}")]) for number in range(5)]
    (path,) = log.folder.glob("w*.log")
    data = bytearray(path.read_bytes())
    data[sizes[2] - 20] ^= 1
    path.write_bytes(data)
    moved = log.move()
    assert moved.predictions == 4
    assert moved.damaged == {path.name: sizes[2] - sizes[1]}
    assert log.ids == ["r0", "r1", "r3", "r4"]
    assert log.files == []
    assert log.damaged == [path.name, f"{path.name}.json"]
    note = json.loads((log.folder / "damaged" / f"{path.name}.json").read_text())
    assert note == {"gaps": 1, "bytes": sizes[2] - sizes[1], "at": [[sizes[1], sizes[2]]]}
    assert (log.folder / "damaged" / path.name).read_bytes() == data


def test_damage_in_a_live_file_is_told_and_passed_when_the_writer_has_gone_on(log: Log) -> None:
    with log.journal(rotate_bytes=1000) as journal, log.mover() as mover:
        header = journal.declare(HEADER)
        ends = [journal.write([request(header, f"r{number}")]) for number in range(3)]
        (path,) = log.folder.glob("w*.log")
        with path.open("r+b") as file:
            file.seek(ends[0] + 30)
            file.write(b"junk")
        assert mover.move() == Moved(predictions=1, stuck=(path.name,))
        for number in range(3, 9):
            journal.write([request(header, f"r{number}")])
        moved = mover.move()
        assert (moved.predictions, list(moved.damaged), moved.stuck) == (7, [path.name], ())
    assert log.ids == ["r0", *(f"r{number}" for number in range(2, 9))]


def test_a_record_that_no_server_writes_is_set_aside_and_the_others_are_moved(log: Log) -> None:
    """A value that does not fit its column, an unknown header, a moment in no year, and no record at all."""
    with log.journal() as journal:
        header = journal.declare(HEADER)
        journal.write([request(header, "good")])
        journal.write([request(header, "bad", values=[7.0, 1.0, None])])
        journal.write([request(header, "bad", values=["UA", 1.0])])
        journal.write([request(99, "bad")])
        journal.write([request(header, "bad", time=2**62)])
        journal.write([b"\x01\x93abc", b"\x02\xc0"])
        journal.write([request(header, "better")])
        log.move()
        assert log.ids == ["better", "good"]
    moved = log.move()
    assert (moved.predictions, moved.files, len(moved.damaged)) == (0, 1, 1)
    note = json.loads(next((log.folder / "damaged").glob("*.json")).read_text())
    assert note["gaps"] == 6


def test_a_file_without_its_beginning_is_moved_once(log: Log) -> None:
    """The first record, which says whose file it is, is damaged: the file's name takes its place."""
    with log.journal() as journal:
        journal.write([request(journal.declare(HEADER), "abc")])
    (path,) = log.folder.glob("w*.log")
    data = bytearray(path.read_bytes())
    data[12] ^= 1
    path.write_bytes(data)
    log.move()
    path.write_bytes(data)
    assert log.move().predictions == 0
    assert log.ids == ["abc"]
    assert len(log.damaged) == 4


def test_the_log_of_a_newer_jomon_is_kept(log: Log) -> None:
    with log.journal() as journal:
        journal.write([frame(b"x")])
        journal.write([payload(Kind.HEADER, {"id": 9, "format": 2, "columns": "otherwise"})])
    with pytest.raises(DataError, match=r"was written by a newer jomon than this one: upgrade the mover\.$"):
        log.move()
    assert len(log.files) == 1


def test_a_folder_put_back_as_it_was_loses_nothing_and_doubles_nothing(log: Log, tmp_path: Path) -> None:
    """The journal is restored from a copy: what is in it was moved; what a later life writes was not, though its
    files have names that were there before."""
    import shutil

    with log.journal() as journal:
        journal.write([request(journal.declare(HEADER), "a")])
    shutil.copytree(log.folder, tmp_path / "copy")
    log.move()
    for name in "bc":
        with log.journal() as journal:
            journal.write([request(journal.declare(HEADER), name)])
        log.move()
    shutil.rmtree(log.folder)
    shutil.copytree(tmp_path / "copy", log.folder)
    with log.journal() as journal:
        journal.write([request(journal.declare(HEADER), "d")])
    log.move()
    assert log.ids == ["a", "b", "c", "d"]


def test_predictions_are_read_by_time_and_columns(log: Log) -> None:
    with log.journal() as journal:
        header = journal.declare(HEADER)
        for day in range(4):
            received = START + day * DAY_US
            journal.write([request(header, f"r{day}", received=received, time=START - day * DAY_US)])
    log.move()
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    some = log.predictions(since=moment + timedelta(days=1), until=moment + timedelta(days=3))
    assert some["request_id"].to_list() == ["r1", "r2"]
    by_time = log.predictions(until=moment - timedelta(days=1), by="departure", columns=["request_id"])
    assert by_time.to_dict(as_series=False) == {"request_id": ["r2", "r3"]}
    with pytest.raises(DataError, match=r"has no column 'requestid': did you mean 'request_id'\?"):
        log.predictions(columns=["requestid"])


def test_before_the_first_move_there_is_nothing_to_read(log: Log) -> None:
    assert log.predictions().height == 0
    assert log.outcomes().height == 0


def test_a_second_mover_says_so(log: Log) -> None:
    with log.journal() as journal:
        journal.write([request(journal.declare(HEADER), "a")])
    with log.mover(), pytest.raises(StoreError, match=r"Another mover moves the log in "):
        log.move()
    assert log.move().predictions == 1


KILLED_AT = """
import os, signal, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from log_help import Log

wanted, count = sys.argv[3], int(sys.argv[4])

def watch(event, given):
    global count
    seen = event == "os.remove" and "/log/flights/w0" in str(given[0]) and wanted == "deletion"
    seen |= event == "open" and str(given[0]).endswith(wanted)
    if seen:
        count -= 1
        if count < 0:
            os.kill(os.getpid(), signal.SIGKILL)

with Log(Path(sys.argv[2])).mover() as mover:
    mover.move()
    sys.addaudithook(watch)
    print("moving", flush=True)
    sys.stdin.readline()
    mover.move()
"""
"""Moves twice; in the second pass it kills itself where the system shows it doing `wanted` for the time `count`."""


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ("predictions/flights/_delta_log/00000000000000000001.json", 0),
        ("outcomes/flights/_delta_log/00000000000000000001.json", 0),
        ("deletion", 0),
        ("deletion", 1),
    ],
    ids=["predictions committed", "outcomes committed", "before files go", "between two files"],
)
def test_a_mover_killed_between_its_steps_moves_nothing_twice(log: Log, wanted: str, count: int) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 20):
            name = f"{number:03d}"
            journal.write([request(journal.declare(HEADER), name), report(name, [1, name, 0, 1.0, None])])

    with log.journal(rotate_bytes=1200) as journal:
        write(0)
        here = str(Path(__file__).parent)
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED_AT, here, str(log.root), wanted, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"moving\n"
        write(20)
        process.communicate(b"\n", timeout=60)
        assert process.returncode == -9
        write(40)
    names = [f"{number:03d}" for number in range(60)]
    moved = log.move()
    assert 20 <= moved.predictions < 60
    assert log.ids == names
    assert sorted(log.outcomes()["report_id"]) == names
    assert log.outcomes()["status"].unique().to_list() == ["new"]
    assert log.files == []


def test_tables_that_take_no_more_are_one_sentence_and_the_log_keeps_all(log: Log) -> None:
    with log.journal() as journal:
        header = journal.declare(HEADER)
        for number in range(3000):
            journal.write([request(header, f"{number * 7919:032x}", received=START + number * 997)])
    code = (
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "sys.path.insert(0, sys.argv[1])\nfrom pathlib import Path\nfrom log_help import Log\n"
        "Log(Path(sys.argv[2])).move()\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(log.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "the log keeps what was not moved; free space." in done.stderr.splitlines()[-1]
    assert len(log.files) == 1
    assert log.move().predictions == 3000
    assert len(set(log.ids)) == 3000


def test_what_is_read_of_a_live_file_survives_a_failure_of_the_tables(
    log: Log,
) -> None:
    """A mover whose commit failed reads again what it had read."""
    with log.journal() as journal, log.mover() as mover:
        header = journal.declare(HEADER)
        journal.write([request(header, "a")])
        mover.move()
        journal.write([request(header, "b")])
        table = log.tables / "predictions" / "flights"
        table.rename(table.with_name("away"))
        table.write_text("in the way")
        with pytest.raises(DataError):
            mover.move()
        table.unlink()
        table.with_name("away").rename(table)
        mover.move()
    assert log.ids == ["a", "b"]

"""Lookups on a server: copies found by pointers, swapped while rows are joined, never used where they are wrong."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

import polars as pl
import pytest

from jomon.core.lookup_pointer import CopyPointer
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.data.lookup_copy import write_copy
from jomon.data.lookups import LookupTable
from jomon.data.tables import ROW
from jomon.serving.lookups import Looked, ServedLookups

HOUR = 3_600_000_000
START = int(datetime(2024, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000
DEPOTS = tuple("abcdefgh")


def _spec(max_age: str = "0s", features: str = "[temp, sky]") -> ProjectSpec:
    return parse_project(
        "fleet: f\nquestion: q\n"
        "data: {source: 'data:load', time: sent, timezone: Europe/Berlin, key: [sent], "
        "target: {column: late, kind: binary}, features: {numeric: [temp], categorical: [depot, sky]}}\n"
        "lookups:\n  weather: {source: 'data:weather', on: [depot, hour_of(sent)], time: at, duplicates: last, "
        f"features: {features}, max_age: {max_age}}}\n"
        "stages: [{level: []}]\n"
    ).spec


def _write(folder: Path, version: int, spec: ProjectSpec | None = None, hours: int = 4) -> CopyPointer:
    """A copy with the same value everywhere: eight depots, `hours` hours from START."""
    spec = spec or _spec()
    rows = [(depot, START + hour * HOUR) for depot in DEPOTS for hour in range(hours)]
    frame = pl.DataFrame(rows, schema={"depot": pl.String, "at": pl.Int64}, orient="row").with_columns(
        pl.col("at").cast(pl.Datetime("us", "UTC")),
        pl.lit(float(version)).alias("temp"),
        pl.lit(str(version)).alias("sky"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW),
    )
    return write_copy(folder, LookupTable.build("weather", frame, spec), spec, START + version)


def test_rows_are_joined_by_the_copy_that_the_pointer_names(tmp_path: Path) -> None:
    _write(tmp_path, 1)
    served = ServedLookups(tmp_path, _spec())
    find = served.finders["weather"]
    assert find(("c",), START + HOUR + 7) == (1.0, "1")
    _write(tmp_path, 2)
    assert find(("c",), START + HOUR + 7) == (1.0, "1")
    assert served.refresh() == ("weather",)
    assert find(("c",), START + HOUR + 7) == (2.0, "2")
    assert served.refresh() == ()


def test_a_copy_of_equal_rows_is_not_opened_again_and_counts_as_read(tmp_path: Path) -> None:
    pointer = _write(tmp_path, 1)
    served = ServedLookups(tmp_path, _spec())
    write_copy_again = CopyPointer(**{**_fields(pointer), "written_us": START + 5_000_000})
    (tmp_path / "weather.json").write_bytes(write_copy_again.as_json())
    assert served.refresh() == ()
    (state,) = served.states(START + 4 * HOUR)
    assert (state.rows, state.age_seconds, state.read_seconds) == (32, 3600, 4 * 3600 - 5)
    assert (state.digest, state.problem) == (pointer.digest, None)


def _fields(pointer: CopyPointer) -> dict[str, object]:
    return {name: getattr(pointer, name) for name in pointer.__dataclass_fields__}


def test_what_a_lookup_lacks_is_told_as_missing_or_as_stale(tmp_path: Path) -> None:
    """No row of that depot is missing; no recent row of any depot is stale: nobody reads the source any more."""
    counted: Counter[tuple[str, str]] = Counter()
    _write(tmp_path, 1)
    served = ServedLookups(tmp_path, _spec(), lambda name, why: counted.update([(name, why)]))
    find = served.finders["weather"]
    assert find(("a",), START) is not None
    assert counted == {}
    assert [find((depot,), START + hour * HOUR) for depot, hour in (("x", 0), (None, 2), ("a", -1))] == [
        None
    ] * 3
    assert counted == {("weather", "missing"): 3}
    assert find(("a",), START + 4 * HOUR) is None
    assert find(("x",), START + 4 * HOUR) is None
    assert counted == {("weather", "missing"): 3, ("weather", "stale"): 2}
    assert (served.why("weather", START), served.why("weather", START + 5 * HOUR)) == ("missing", "stale")


def test_rows_are_stale_only_beyond_the_declared_age(tmp_path: Path) -> None:
    spec = _spec(max_age="2h")
    _write(tmp_path, 1, spec)
    served = ServedLookups(tmp_path, spec)
    find = served.finders["weather"]
    assert find(("a",), START + 6 * HOUR - 1) == (1.0, "1")
    assert served.why("weather", START + 6 * HOUR - 1) == "missing"
    assert find(("a",), START + 6 * HOUR) is None
    assert served.why("weather", START + 6 * HOUR) == "stale"


def test_without_a_copy_every_row_is_stale_until_one_comes(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    served = ServedLookups(tmp_path / "lookups", _spec(), lambda *what: told.append(what))
    assert served.finders["weather"](("a",), START) is None
    assert told == [("weather", "stale")]
    assert "There is no copy of the lookup weather" in served.problems["weather"]
    (state,) = served.states(START)
    assert (state.rows, state.age_seconds, state.digest) == (0, None, None)
    assert state.problem == served.problems["weather"]
    _write(tmp_path / "lookups", 1)
    assert served.refresh() == ("weather",)
    assert served.finders["weather"](("a",), START) == (1.0, "1")
    assert served.problems == {}


def test_a_copy_of_another_declaration_is_named_and_not_used(tmp_path: Path) -> None:
    """An image goes on with the copy it has; one that starts has none."""
    _write(tmp_path, 1)
    served = ServedLookups(tmp_path, _spec())
    other = _spec(features="[sky, temp]")
    _write(tmp_path, 2, other)
    assert served.refresh() == ()
    assert served.finders["weather"](("a",), START) == (1.0, "1")
    assert "was made by another declaration than the image has" in served.problems["weather"]
    assert ServedLookups(tmp_path, _spec()).finders["weather"](("a",), START) is None
    assert ServedLookups(tmp_path, other).finders["weather"](("a",), START) == ("2", 2.0)


@pytest.mark.parametrize(
    "damage", ["cut", "longer", "empty", "gone", "one bit", "no pointer", "half a pointer"]
)
def test_a_torn_or_damaged_copy_is_refused_and_the_one_before_goes_on(damage: str, tmp_path: Path) -> None:
    _write(tmp_path, 1)
    served = ServedLookups(tmp_path, _spec())
    pointer = _write(tmp_path, 2)
    path = tmp_path / pointer.file
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "no pointer":
        (tmp_path / "weather.json").unlink()
    elif damage == "half a pointer":
        (tmp_path / "weather.json").write_bytes(pointer.as_json()[:40])
    else:
        flipped = bytearray(data)
        flipped[len(data) // 2] ^= 1
        path.write_bytes({"cut": data[:-7], "longer": data + b"\0", "empty": b"", "one bit": flipped}[damage])
    assert served.refresh() == ()
    assert served.finders["weather"](("a",), START) == (1.0, "1")
    assert set(served.problems) == {"weather"}
    assert served.problems["weather"].count("\n") == 0
    assert "run `jomon ingest`" in served.problems["weather"]
    _write(tmp_path, 2)
    assert served.refresh() == ("weather",)
    assert served.finders["weather"](("a",), START) == (2.0, "2")


@pytest.mark.parametrize("at", range(0, 2000, 97))
def test_no_damaged_byte_goes_unnoticed(at: int, tmp_path: Path) -> None:
    path = tmp_path / _write(tmp_path, 1).file
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 0x80
    path.write_bytes(data)
    assert set(ServedLookups(tmp_path, _spec()).problems) == {"weather"}


def test_a_file_that_is_deleted_while_it_is_mapped_goes_on_to_answer(tmp_path: Path) -> None:
    first = _write(tmp_path, 1)
    served = ServedLookups(tmp_path, _spec())
    _write(tmp_path, 2)
    _write(tmp_path, 3)
    assert not (tmp_path / first.file).exists()
    hours = [served.finders["weather"]((depot,), START + h * HOUR) for depot in DEPOTS for h in range(4)]
    assert hours == [(1.0, "1")] * 32


def test_requests_see_one_copy_each_while_copies_come_one_after_another(tmp_path: Path) -> None:
    """One thread writes, one looks, one answers requests of several rows: each of one version, versions only rise."""
    _write(tmp_path, 0)
    served = ServedLookups(tmp_path, _spec())
    found: SimpleQueue[Looked | None] = SimpleQueue()
    last = 12

    def write() -> None:
        for version in range(1, last + 1):
            _write(tmp_path, version)

    writer = threading.Thread(target=write)

    def look() -> None:
        while writer.is_alive():
            found.put(served.look())
        found.put(served.look())
        found.put(None)

    looker = threading.Thread(target=look)
    writer.start()
    looker.start()
    find, seen, swaps, problems = served.finders["weather"], [0.0], 0, dict[str, str]()
    while True:
        looked = None
        request = [find((depot,), START + hour * HOUR) for depot in DEPOTS for hour in range(4)]
        versions = {None if values is None else values[0] for values in request}
        assert len(versions) == 1
        version = versions.pop()
        assert isinstance(version, float)
        assert version >= seen[-1]
        seen.append(version)
        if not found.empty():
            looked = found.get()
            if looked is None:
                break
            problems |= looked.problems
            swaps += len(served.take(looked))
    writer.join()
    looker.join()
    assert problems == {}
    assert served.finders["weather"](("a",), START) == (float(last), str(last))
    assert swaps >= 1


WRITER = """
import runpy, sys
from itertools import count
from pathlib import Path
write = runpy.run_path(sys.argv[1])["_write"]
for version in count(1):
    write(Path(sys.argv[2]), version)
    print(version, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_copy_no_older_than_the_last_it_told_of(
    tmp_path: Path,
) -> None:
    for lines in (1, 2, 3, 5):
        command = [sys.executable, "-c", WRITER, __file__, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = [int(writer.stdout.readline()) for _ in range(lines)][-1]
            writer.kill()
        served = ServedLookups(tmp_path, _spec())
        values = served.finders["weather"](("a",), START)
        assert served.problems == {}
        assert values is not None
        assert float(values[0] or 0) >= told
    _write(tmp_path, 0)
    left = {path.name for path in tmp_path.iterdir()} - {".lock", "weather.json"}
    assert len(left) == 2
    assert all(name.endswith(".safetensors") for name in left)


def test_a_lookup_without_rows_is_stale(tmp_path: Path) -> None:
    _write(tmp_path, 1, hours=0)
    served = ServedLookups(tmp_path, _spec())
    assert served.problems == {}
    assert served.finders["weather"](("a",), START) is None
    assert served.why("weather", START) == "stale"


def test_a_project_without_lookups_needs_no_folder(tmp_path: Path) -> None:
    spec = _spec().model_copy(update={"lookups": {}})
    served = ServedLookups(tmp_path / "nowhere", spec)
    assert (served.finders, served.problems, served.states(START), served.refresh()) == ({}, {}, (), ())

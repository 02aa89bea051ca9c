"""What `kill -9` and a second process leave behind, with real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from jomon.core.errors import DataError
from jomon.data.state import TableState
from jomon.data.tables import APPLICATION, LayerTable

Make = Callable[..., Any]
Rows = Callable[..., pl.DataFrame]

INGEST = """
import os, signal, sys
from pathlib import Path
from jomon.core.spec import ProjectSpec
from jomon.data.ingest import ingest

folder, at = Path(sys.argv[1]), sys.argv[2]
spec = ProjectSpec.model_validate_json((folder / "spec.json").read_text())
def progress(step):
    if step == at:
        os.kill(os.getpid(), signal.SIGKILL)
report = ingest(folder, spec, progress=progress)
print(report.new, report.seen, flush=True)
"""

LOOKUPS = """
lookups:
  weather: {source: "data:load_weather", on: [depot], features: [temp], missing: "null"}
"""


def _start(made: Any, at: str = "never", code: str = INGEST) -> subprocess.Popen[str]:
    made.folder.joinpath("spec.json").write_text(made.spec.model_dump_json(by_alias=True))
    command = [sys.executable, "-c", code, str(made.folder), at]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _killed_at(made: Any, at: str) -> None:
    process = _start(made, at)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL


def _assert_whole(made: Any, numbers: range) -> None:
    """Every row once in bronze, and once in silver or quarantine; gold as silver."""
    bronze, silver = made.table("bronze"), made.table("silver")
    assert sorted(bronze["parcel"]) == list(numbers)
    settled = [*silver["_jomon_row"], *made.table("quarantine")["_jomon_row"]]
    assert sorted(settled) == sorted(bronze["_jomon_row"])
    assert sorted(made.table("gold")["parcel"]) == sorted(silver["parcel"])


def _rows(parcels: Rows, count: int) -> pl.DataFrame:
    """Every fourth row breaks the contract."""
    return parcels(count).with_columns(
        pl.when(pl.col("parcel") % 4 == 1).then(9000.0).otherwise("distance").alias("distance")
    )


@pytest.mark.parametrize("at", ["checked", "lookup_weather", "bronze", "quarantine", "silver", "gold"])
def test_an_ingest_killed_between_any_two_tables_is_finished_by_the_next(
    project: Make, parcels: Rows, at: str
) -> None:
    """Killed in the first ingest and again in one of longer data: nothing is lost, nothing doubled."""
    made = project(lookups=LOOKUPS, more_numeric=", temp")
    made.rows(pl.DataFrame({"depot": ["north", "south"], "temp": [1.5, 2.5]}), "weather")
    made.rows(_rows(parcels, 10))
    _killed_at(made, at)
    made.rows(_rows(parcels, 24))
    _killed_at(made, at)
    report = made.ingest()
    assert (report.source, report.bronze, report.silver, report.quarantine, report.gold) == (
        24,
        24,
        18,
        6,
        18,
    )
    assert report.by_reason == {"distance is above 6000": 6}
    assert report.lookups["weather"].rows == 2
    _assert_whole(made, range(24))


def test_a_contract_changed_after_a_crash_leaves_no_row_in_both_silver_and_quarantine(
    project: Make, parcels: Rows
) -> None:
    made = project().rows(_rows(parcels, 12))
    _killed_at(made, "quarantine")
    wider = made.spec.data.contract["distance"].model_copy(update={"max": 9999})
    data = made.spec.data.model_copy(update={"contract": {"distance": wider}})
    made.spec = made.spec.model_copy(update={"data": data})
    assert made.ingest().quarantine == 0
    _assert_whole(made, range(12))


def test_a_fresh_start_killed_after_bronze_leaves_nothing_of_the_old_rows(
    project: Make, parcels: Rows
) -> None:
    """Silver of the old bronze is not taken for silver of the new one, though it counts more rows."""
    made = project().rows(parcels(30))
    made.ingest()
    made.rows(parcels(8, first=100))
    steps: list[str] = []

    def stop(step: str) -> None:
        steps.append(step)
        if step == "bronze":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.ingest(fresh=True, progress=stop)
    made.ingest()
    _assert_whole(made, range(100, 108))


def test_a_disk_that_takes_no_more_is_one_sentence_and_the_tables_stay_whole(
    project: Make, parcels: Rows
) -> None:
    """A process that may write 64 kB a file meets rows that need more; the next, without limit, goes on."""
    made = project().rows(_rows(parcels, 20))
    made.ingest()
    noise = np.random.default_rng(0).random(30_000)
    many = pl.DataFrame({"parcel": range(30_000), "sent": "2024-01-10 08:15:00", "late": 1, "depot": "north"})
    made.rows(many.with_columns(distance=pl.Series(1 + noise)))
    limited = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n" + INGEST
    process = _start(made, code=limited)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    last = said.strip().splitlines()[-1]
    assert last.startswith("jomon.core.errors.DataError: The table bronze at ")
    assert last.endswith("and run `jomon ingest` again.")
    assert made.table("bronze").height == 20
    report = made.ingest()
    assert (report.seen, report.new, report.bronze) == (0, 30_000, 30_020)


def test_two_ingests_at_once_take_turns(project: Make, parcels: Rows) -> None:
    """Four processes ingest the same rows at the same time: one adds them, the others have seen them."""
    made = project().rows(_rows(parcels, 40))
    processes = [_start(made) for _ in range(4)]
    told = sorted(process.communicate(timeout=120)[0].split() for process in processes)
    assert [process.returncode for process in processes] == [0] * 4
    assert told == [["0", "40"]] * 3 + [["40", "0"]]
    _assert_whole(made, range(40))


def test_two_writers_without_a_common_lock_cannot_both_commit(tmp_path: Path) -> None:
    """On an object store the transaction of the table itself tells the second writer to try again."""
    state = TableState("", 1, 1, 1, "first")
    frame = pl.DataFrame({"_jomon_row": [0]})
    LayerTable(tmp_path, "bronze").append(frame, state)
    one, two = LayerTable(tmp_path, "bronze"), LayerTable(tmp_path, "bronze")
    one.append(frame, state)
    with pytest.raises(DataError, match=r"nothing is lost, run `jomon ingest` again\.$"):
        two.append(frame, state)
    assert LayerTable(tmp_path, "bronze").read().height == 2


def test_every_write_is_a_transaction_of_its_own_with_the_state_it_leaves(tmp_path: Path) -> None:
    from deltalake import DeltaTable

    table = LayerTable(tmp_path, "silver")
    table.append(pl.DataFrame({"_jomon_row": [0, 1]}), TableState("r", 2, 2, 7, "b", "f", {"n": 1}))
    assert DeltaTable(table.uri).transaction_version(APPLICATION) == 2
    assert LayerTable(tmp_path, "silver").state == table.state


def test_a_table_compacted_by_another_program_goes_on_as_before(project: Make, parcels: Rows) -> None:
    from deltalake import DeltaTable

    made = project().rows(parcels(10))
    made.ingest()
    made.rows(parcels(20)).ingest()
    for name in ("bronze", "silver", "gold"):
        DeltaTable(str(made.root / name)).optimize.compact()
    report = made.rows(parcels(25)).ingest()
    assert (report.seen, report.new, report.gold) == (20, 5, 25)


def test_a_bronze_table_whose_history_is_gone_is_counted_again(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(10))
    made.ingest()
    rows = made.table("bronze")
    import shutil

    shutil.rmtree(made.root / "bronze")
    rows.write_delta(str(made.root / "bronze"))
    report = made.rows(parcels(12)).ingest()
    assert (report.seen, report.new, report.bronze, report.silver) == (10, 2, 12, 12)

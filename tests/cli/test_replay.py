"""`jomon replay`: what it says of a replay, its exit status, and what an interrupt leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from jomon.core.journal import Kind, scan
from jomon.data.predictions import read_predictions
from jomon.data.tables import LayerTable
from jomon.project import open_project
from jomon.project.local_server import served_locally

from .conftest import Run

SPAN = ("--from", "2024-11-01", "--to", "2024-11-15")


def recorded(folder: Path) -> int:
    frame = read_predictions(folder / ".jomon" / "tables", "sales")
    return frame.height


def line_of(out: str, start: str) -> str:
    """The one line that begins with these words, without its blanks."""
    (line,) = [line for line in out.splitlines() if line.startswith(start)]
    return " ".join(line.split())


def test_a_fortnight_is_replayed_and_told(run: Run, copy: Path) -> None:
    ran = run("replay", "sales", *SPAN, "-p", copy)
    assert ran.status == 0, ran.err
    assert line_of(ran.out, "rows sent") == "rows sent 56"
    assert line_of(ran.out, "  answered") == "answered 56"
    for start in (
        "  refused",
        "  failed",
        "  sent again",
        "rows not sent",
        "  not taken",
        "outcomes not sent",
    ):
        assert line_of(ran.out, start).endswith(" 0")
    assert line_of(ran.out, "outcomes sent") == "outcomes sent 56"
    assert line_of(ran.out, "[city, season]").startswith("[city, season] ")
    assert line_of(ran.out, "Event time").startswith("Event time: 2024-11-01 00:00 to 2024-11-15 00:")
    assert "Moved 56 predictions and 56 outcomes into the tables." in ran.out
    assert line_of(ran.out, "Poisson deviance").startswith("Poisson deviance: ")
    assert "replayed in this process" in ran.err
    assert recorded(copy) == 56


def test_json_is_all_that_is_on_stdout(run: Run, copy: Path) -> None:
    ran = run("replay", "sales:v1", *SPAN, "--json", "--no-outcomes", "-p", copy)
    assert (ran.status, ran.err) == (0, "")
    told = ran.json
    assert (told["rows"], told["answered"], told["outcomes"], told["reports"]) == (56, 56, 0, 0)
    assert (told["refused"], told["failed"], told["missed"]) == ({}, {}, {})
    assert told["since"] == "2024-11-01T00:00:00+00:00"
    assert (told["reference"], told["url"], told["whole"]) == ("sales:v1", None, True)
    assert sum(told["levels"].values()) == 56
    assert told["moved"]["predictions"] == 56


def test_without_a_span_it_is_the_held_out_time(run: Run, copy: Path) -> None:
    told = run("replay", "sales", "--json", "-p", copy).json
    rows = LayerTable(copy / ".jomon" / "tables", "silver").scan().collect()
    held = rows.filter(pl.col("day") >= pl.lit(told["since"]).str.to_datetime(time_zone="UTC"))
    assert told["rows"] == held.height == 14 * 7 * 4
    assert told["last_event"] > told["until"]


def test_an_empty_span_is_told_with_zeros_and_status_1(run: Run, copy: Path) -> None:
    ran = run("replay", "sales", "--from", "2030-01-01", "--to", "2030-02-01", "-p", copy)
    assert ran.status == 1
    assert "jomon: no row was recorded from 2030-01-01 00:00 to 2030-02-01 00:00" in ran.err
    assert line_of(ran.out, "rows sent") == "rows sent 0"
    assert line_of(ran.out, "outcomes sent") == "outcomes sent 0"
    assert "Event time: none, in 0.0s (0 rows/s)." in ran.out
    assert "Latency of batches: p50 unknown, p95 unknown, p99 unknown." in ran.out
    assert "Poisson deviance: unknown, on 0 outcomes." in ran.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--url", "127.0.0.1:9"), "http://127.0.0.1:9 does not answer (connection refused): is the server running?"),
        (("--speed", "fast"), "--speed 'fast' is no speed: write max, or how many times real time, such as 60."),
        (("--from", "2024-02-30"), "--from is '2024-02-30', which is no time: write it as 2013-11-03T06:30:00, with or "
                                   "without a zone, or as 2013-11-03."),
        (("--to", "2024-10-31"), "The span from 2024-11-01T00:00:00+00:00 to 2024-10-31T00:00:00+00:00 is empty: --to "
                                 "has to be later than --from."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(run: Run, copy: Path, words: tuple[str, ...], said: str) -> None:
    given = dict(zip(SPAN[::2], SPAN[1::2], strict=True)) | dict(zip(words[::2], words[1::2], strict=True))
    told = [word for pair in given.items() for word in pair]
    ran = run("replay", "sales", "--json", *told, "-p", copy)
    assert (ran.status, ran.out, ran.err) == (2, "", f"jomon: {said}\n")


def test_an_image_that_is_not_there_is_told(run: Run, copy: Path) -> None:
    ran = run("replay", "sale", *SPAN, "-p", copy)
    assert ran.status == 2
    assert ran.err.count("\n") == 1


def test_a_server_answers_a_replay_with_the_key_of_the_environment(
    run: Run, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without keys on loopback any will do; the report is that of the replay here."""
    monkeypatch.setenv("JOMON_KEY", "jomon_nobody")
    with served_locally(open_project(copy).home, "sales:latest") as url:
        ran = run("replay", "sales", *SPAN, "--url", url, "-p", copy)
        again = run("replay", "sales", *SPAN, "--url", url, "--json", "--connections", "1", "-p", copy)
    assert ran.status == 0, ran.err
    assert line_of(ran.out, "  taken") == "taken 56"
    assert line_of(ran.out, "Latency").startswith("Latency: p50 ")
    assert again.json["whole"] is True
    assert recorded(copy) == 112


def test_an_interrupt_leaves_what_was_sent_and_says_how_much(run: Run, copy: Path) -> None:
    words = ["replay", "sales", *SPAN, "--speed", "1", "-p", str(copy)]
    process = subprocess.Popen(
        [sys.executable, "-m", "jomon.cli.main", *words], stderr=subprocess.PIPE, text=True
    )
    log = copy / ".jomon" / "log" / "sales"
    try:
        until = time.monotonic() + 60
        while not (answered := _answered(log)) and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert answered == 4  # those of the first day; the next ones are due in a day
    assert said.splitlines()[-1] == (
        "jomon: stopped at 2024-11-01 00:00; 4 answers and 0 outcomes stay in the log, `jomon mover --once` brings "
        "them into the tables"
    )
    assert run("mover", "--once", "--json", "-p", copy).json[0]["predictions"] == 4


def _answered(log: Path) -> int:
    kinds = []
    for path in log.glob("w*.log"):
        data = path.read_bytes()
        kinds += [data[start] for start, _ in scan(data).spans]
    return kinds.count(Kind.PREDICTION)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_for_a_while_ends_with_whoever_started_it(copy: Path, number: signal.Signals) -> None:
    """As in the demo: however the program ends that started it, the server ends in order, and its port is free."""
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from jomon.project import open_project\n"
        "from jomon.project.local_server import served_locally\n"
        f"with served_locally(open_project({str(copy)!r}).home, 'sales:latest') as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        ran = subprocess.run(
            [sys.executable, "-m", "jomon.cli.main", "replay", "sales", *SPAN, "--url", url, "--json", "-p", str(copy)],
            capture_output=True, text=True, check=True, env={**os.environ},
        )  # fmt: skip
        assert json.loads(ran.stdout)["whole"] is True
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in (128 + number, -number)
    assert recorded(copy) == 56
    assert not list((copy / ".jomon" / "log" / "sales").glob("w*.log"))


def test_a_server_that_cannot_start_says_why(copy: Path) -> None:
    from jomon.core.errors import JomonError

    with pytest.raises(JomonError, match=r"^The server did not start: .*nothing"):  # noqa: SIM117
        with served_locally(open_project(copy).home, "nothing:latest"):
            pass

"""A server under half of its top throughput for long: does its memory stay flat, does it answer everything?

    python -m bench.soak                  a minute, with a small fleet
    python -m bench.soak --seconds 600    as long as you like
    python -m bench.soak --rate 500       requests a second, instead of half of what a short run finds to be the top
    python -m bench.soak --full           half an hour with 288 members; the run whose figures count

Needs wrk. One worker of `jomon serve` with all that it has, its mover beside it; one-row requests to members in random
order, and reports of 50 outcomes once a second. wrk sends a request when it is due and catches up with what was late,
which keeps the rate. What all processes hold is sampled, and a line is fitted to it behind a first third, in which
caches fill; its interval is that of a regression on 20 means, which neighbours in time do not sway. In the end the
table must hold every row that was answered.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from bench.common import JOMON, document, run, single, spread, step, versions, write
from bench.http_load import HERE, Server, drive, lines, wrk, wrk_version
from bench.serve_fleet import Shape, project, requests
from bench.serve_sides import Sides, check_ours

CONNECTIONS = 32
TOP_CONNECTIONS = 16
BODIES = 4096
OUTCOMES = 50  # of a report, one report a second
BLOCKS = 20
MB = 1e6
KEY = ("carrier", "flight", "origin", "scheduled_departure")


@dataclass(frozen=True)
class Size:
    """How much one run does: the fleet, seconds of load, and seconds in which the top is found."""

    shape: Shape
    seconds: float
    top: float


SHORT = Size(Shape(4, 6, 250), seconds=60, top=3)
FULL = Size(Shape(12, 24, 250), seconds=1800, top=10)


@dataclass
class Samples:
    """Bytes over time: resident memory by role of the process, and the files of the prediction log.

    A file of the log goes when it is full and moved.
    """

    at: list[float] = field(default_factory=list)
    resident: dict[str, list[float]] = field(default_factory=dict)
    log: list[float] = field(default_factory=list)


class Watch:
    """Samples a server from a thread until its block ends."""

    def __init__(self, server: Server, log: Path, seconds: float) -> None:
        self.samples = Samples()
        self._server, self._log, self._pause = server, log, max(0.5, seconds / 1200)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Samples:
        self._thread.start()
        return self.samples

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.is_set():
            held: dict[str, float] = {}
            for usage in self._server.usage():
                held[usage.role] = held.get(usage.role, 0.0) + usage.rss
            self.samples.at.append(time.monotonic())
            for role, value in held.items():
                self.samples.resident.setdefault(role, []).append(value)
            self.samples.log.append(sum(_size(path) for path in self._log.glob("w*.log")))
            self._ended.wait(self._pause)


def _size(path: Path) -> float:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # it was moved
        return 0.0


@dataclass(frozen=True)
class Trend:
    """A slope in bytes an hour, with its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def word(self) -> str:
        """What the interval says."""
        if self.low > 0:
            return "grows"
        return "shrinks" if self.high < 0 else "flat"


def trend(at: Sequence[float], values: Sequence[float]) -> Trend:
    """The line through means of blocks of what was sampled after the first third."""
    start = len(at) // 3
    times, held = np.array(at[start:]), np.array(values[start:])
    count = min(BLOCKS, len(times))
    x = np.array([block.mean() for block in np.array_split(times, count)]) / 3600
    y = np.array([block.mean() for block in np.array_split(held, count)])
    if np.ptp(y) == 0:
        return Trend(0.0, 0.0, 0.0)
    fit = stats.linregress(x, y)
    half = float(stats.t.ppf(0.975, count - 2) * fit.stderr) if count > 2 else math.inf
    return Trend(float(fit.slope), float(fit.slope) - half, float(fit.slope) + half)


def load(server: Server, rate: float, seconds: float) -> dict[str, Any]:
    """What wrk measured at `rate` requests a second; refusals and breaks are counted, not fatal."""
    command = [wrk(), "-t1", f"-c{CONNECTIONS}", f"-d{round(seconds)}s", "--timeout", "10s"]
    words = [*command, "-s", HERE / "load.lua", server.url, "--", server.requests, round(rate)]
    found: dict[str, Any] = json.loads(run([str(word) for word in words]).strip().splitlines()[-1])
    return found


class Reports:
    """Reports outcomes of the requests of a file, once a second, until its block ends."""

    def __init__(self, server: Server) -> None:
        self.accepted = 0
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> Reports:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _report(self) -> None:
        rows = cycle(list(self._rows()))
        while not self._ended.wait(1.0):
            items = [{"key": {name: row[name] for name in KEY}, "value": 1} for row in islice(rows, OUTCOMES)]
            answer = self._server.ask("/outcomes", json.dumps({"outcomes": items}))
            if answer.status == 202:
                self.accepted += len(items)

    def _rows(self) -> Iterator[dict[str, Any]]:
        for _, body in lines(self._server.requests):
            yield json.loads(body)["rows"][0]


def measure(size: Size, rate: float | None) -> dict[str, Any]:
    """The whole run."""
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        folder = Path(name)
        with step(f"a fleet of {size.shape.members} members and a root"):
            built = project(folder / "project", size.shape)
        sides = Sides(folder, built, None, requests(folder, size.shape, BODIES))
        with sides.ours() as server:
            check_ours(sides, server)
            with step("the top throughput"):
                top = drive(server, TOP_CONNECTIONS, size.top)
        asked = rate or top.rate / 2
        with sides.ours() as server:
            check_ours(sides, server)
            log = built / ".jomon" / "log" / "serve"
            with (
                step(f"{size.seconds:,.0f} s at about {asked:,.0f} requests a second"),
                Watch(server, log, size.seconds) as samples,
                Reports(server) as reports,
            ):
                found = load(server, asked, size.seconds)
        kept = moved(built)
    lost = found["requests"] - kept["predictions"]
    if lost > 0 or kept["outcomes"] != reports.accepted:
        raise SystemExit(f"{lost} predictions are not in the table; outcomes: {reports.accepted}, {kept}")
    tell(samples)
    results = [
        single(f"top throughput, {TOP_CONNECTIONS} connections", top.rate, "1/s"),
        single(
            "throughput that was kept up",
            found["requests"] / found["duration_us"] * 1e6,
            "1/s",
            found["requests"],
        ),
        *(
            single(f"{what}, {CONNECTIONS} connections", found[f"{what}_us"] / 1e3, "ms")
            for what in ("p50", "p90", "p99")
        ),
        single(f"longest, {CONNECTIONS} connections", found["max_us"] / 1e3, "ms"),
        single("requests that were refused, broken or late", _failed(found), "requests", found["requests"]),
        single("outcomes accepted", reports.accepted, "outcomes"),
        *(row for role, held in samples.resident.items() for row in memory(role, samples.at, held)),
        spread("files of the prediction log, moved or not", np.array(samples.log) / MB, "MB"),
    ]
    work = (
        f"{size.seconds:,.0f} s of one-row requests to {size.shape.members} members in random order, one worker, at "
        f"about {asked:,.0f} a second; routing, validation, prediction log, access log, metrics, outcomes and mover on"
    )
    used = versions("granian", "uvloop", "msgspec", "numpy", "deltalake", "polars") | {"wrk": wrk_version()}
    return document("soak", work, used, results)


def _failed(found: dict[str, Any]) -> int:
    return int(found["refused"] + found["broken"] + found["timeouts"])


def memory(role: str, at: Sequence[float], held: Sequence[float]) -> list[dict[str, Any]]:
    """What the processes of a role held, and how it changed with time."""
    if len(held) != len(at):  # it came or went meanwhile
        return []
    fitted = trend(at, held)
    slope = {key: getattr(fitted, key) / MB for key in ("value", "low", "high")}
    return [
        spread(f"{role}: resident memory", np.array(held) / MB, "MB"),
        {"what": f"{role}: change of resident memory", **slope, "unit": "MB/h", "n": len(held)},
    ]


def moved(built: Path) -> dict[str, int]:
    """Rows of the tables after all of the log is moved."""
    run([JOMON, "mover", "--once"], built)
    tables = built / ".jomon" / "tables"
    return {
        name: pl.scan_delta(str(tables / name / "serve")).select(pl.len()).collect().item()
        for name in ("predictions", "outcomes")
    }


def tell(samples: Samples) -> None:
    """Memory over time, for people."""
    began = samples.at[0]
    for role, held in samples.resident.items():
        if len(held) != len(samples.at):
            continue
        shown = range(0, len(held), max(1, len(held) // 10))
        series = "  ".join(f"{samples.at[i] - began:.0f} s: {held[i] / MB:.1f}" for i in shown)
        fitted = trend(samples.at, held)
        print(f"{role}, MB: {series}")
        print(
            f"  {fitted.word}: {fitted.value / MB:+.2f} MB an hour ({fitted.low / MB:+.2f} to {fitted.high / MB:+.2f})"
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="the run whose figures count")
    parser.add_argument("--seconds", type=float, help="how long")
    parser.add_argument("--rate", type=float, help="requests a second")
    given = parser.parse_args(argv)
    size = FULL if given.full else SHORT
    write(measure(Size(size.shape, given.seconds or size.seconds, size.top), given.rate), given.full)


if __name__ == "__main__":
    main()

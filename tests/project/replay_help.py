"""A fleet of parcels over the night in which clocks go back: nulls, keys that are hashed, a lookup with gaps, and a
depot that training never saw."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import msgspec
import numpy as np
import polars as pl

from jomon.core.journal import Kind, scan
from jomon.project import Project, open_project

FIRST = datetime(2024, 10, 1, 4, tzinfo=UTC)  # midnight in New York
DAYS, PER_DAY = 40, 48
NEW_DEPOT = "z9"
SPEC = {
    "fleet": "parcels",
    "question": "Will this parcel be late?",
    "data": {
        "source": "parcels.parquet",
        "time": "sent",
        "timezone": "America/New_York",
        "key": ["depot", "parcel", "sent"],
        "target": {"column": "late", "kind": "binary", "known_after": "3h"},
        "features": {
            "numeric": ["weight", "rain"],
            "categorical": ["depot", "fragile"],
            "calendar": ["hour", "minute_of_day", "weekday"],
            "unseen": "error",
        },
        "contract": {"parcel": {"type": "int"}, "fragile": {"type": "bool"}},
    },
    "axes": {"hour_band": {"night": "0-5", "day": "6-23"}},
    "lookups": {
        "weather": {"source": "weather.parquet", "on": ["depot", "hour_of(sent)"], "time": "at", "features": ["rain"]}
    },
    "stages": [
        {"level": [], "estimator": "linear"},
        {"level": ["depot"], "estimator": "none", "keep": "always", "min_rows": 5},
        {"level": ["hour_band"], "estimator": "none", "keep": "always", "min_rows": 5},
    ],
    "evaluation": {"holdout": "10d", "step": "5d", "trials": 1, "bootstrap": 100},
    "build": {"blocks": 2, "workers": 1},
    "serving": {"log": {"hash": ["parcel"]}},
}  # fmt: skip
NIGHT = ("2024-11-02 22:00", "2024-11-03 04:00")
"""The span around the hour that New York has twice."""


def make_parcels(folder: Path) -> Project:
    """The project, ingested and built; its last ten days are held out."""
    rng = np.random.default_rng(7)
    n = DAYS * PER_DAY
    minutes = np.sort(rng.integers(0, DAYS * 1440, n))
    minutes[100:104] = minutes[100]  # of one moment
    depot = np.array(["a1", "b2", "c3"])[rng.integers(0, 3, n)].astype(object)
    depot[-40] = depot[-9] = NEW_DEPOT
    weight, late = rng.gamma(2.0, 2.0, n), (rng.random(n) < 0.3).astype(np.float64)
    frame = pl.DataFrame(
        {
            "depot": depot.tolist(),
            "parcel": np.arange(n) + 1000,
            "sent": [FIRST + timedelta(minutes=int(minute)) for minute in minutes],
            "weight": np.where(rng.random(n) < 0.1, np.nan, weight),
            "fragile": rng.random(n) < 0.5,
            "late": np.where(rng.random(n) < 0.1, np.nan, late),
        }
    )
    hours = [
        (one, FIRST + timedelta(hours=hour))
        for hour in range(DAYS * 24)
        for one in ("a1", "b2", "c3")
        if hour % 7
    ]
    weather = {"depot": [h[0] for h in hours], "at": [h[1] for h in hours], "rain": rng.random(len(hours))}
    folder.mkdir(parents=True)
    frame.sample(fraction=1.0, shuffle=True, seed=3).write_parquet(folder / "parcels.parquet")
    pl.DataFrame(weather).write_parquet(folder / "weather.parquet")
    (folder / "jomon.yaml").write_text(json.dumps(SPEC), encoding="utf-8")
    project = open_project(folder)
    project.ingest()
    project.build()
    return project


def journal_records(home: Path, fleet: str) -> list[tuple[Kind, Any]]:
    """The records of a fleet's journal, file after file, in the order in which they were written."""
    found = []
    for path in sorted((home / "log" / fleet).glob("w*.log")):
        data = path.read_bytes()
        for start, end in scan(data).spans:
            found.append((Kind(data[start]), msgspec.msgpack.decode(data[start + 1 : end])))
    return found


class Clock:
    """A clock that goes on only while somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@contextmanager
def between(port: int, decide: Callable[[int], bytes | None]) -> Iterator[tuple[str, list[bytes]]]:
    """Stands between a caller and the server at `port`: a URL, and the bodies that came, in order.

    `decide` tells what to answer to the request of a number in place of the server (bytes; none: hang up without an
    answer); None lets it through.
    """
    bodies: list[bytes] = []
    lock = threading.Lock()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            server = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            with closing(server), suppress(OSError):
                while (first := self.rfile.readline()).strip():
                    head = {}
                    while (line := self.rfile.readline()).strip():
                        name, _, value = line.decode().partition(":")
                        head[name.lower()] = value.strip()
                    body = self.rfile.read(int(head.get("content-length", 0)))
                    with lock:
                        bodies.append(body)
                        mine = decide(len(bodies) - 1)
                    if mine is not None:
                        self.wfile.write(mine)
                        if not mine:
                            return
                        continue
                    method, path, _ = first.decode().split()
                    server.request(method, path, body, {"content-type": "application/json"})
                    answer = server.getresponse()
                    data = answer.read()
                    self.wfile.write(
                        f"HTTP/1.1 {answer.status} x\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data
                    )

    class Server(ThreadingTCPServer):
        daemon_threads = False  # ended when the caller closes its connections

    with Server(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}", bodies
        finally:
            listening.shutdown()
            thread.join()

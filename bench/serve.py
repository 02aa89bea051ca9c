"""S5 and S7: one-row requests over HTTP beside MLServer and a server that does nothing; memory and start of a server.

    python -m bench.serve              a short run, about a minute: a small fleet, one round
    python -m bench.serve --full       the run whose figures count, about half an hour
    python -m bench.serve --only S5    one of the two
    python -m bench.serve --pin        all processes of a server on one core and wrk on another; else on any
    python -m bench.serve --profile F  writes no result: py-spy's record of a loaded worker of ours goes to F

Needs wrk (Debian, Ubuntu: apt-get install wrk). S5: the servers of `bench.serve_sides` are started, warmed up, loaded
over 1 and 16 connections and stopped in turns, each first in some rounds; a round is one pair with each peer. Rows and
members are random, the same for both; an answer that is not 2xx ends the run, and a sample of answers is compared with
what `jomon predict` and LightGBM say. Ours starts every round with an empty prediction log; its mover runs beside it.
MLServer is tried with `parallel_workers` 0 and 1, and the better one is compared, without an access log, which ours
writes; what it loses by one is told. S7: see `bench.serve_memory`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import peer, serve_memory
from bench.common import document, ratio, single, spread, step, versions, write
from bench.http_load import FREE, Cores, Load, Server, drive, wrk_version
from bench.serve_fleet import Shape, leaves_of, models, packs_of, project, requests
from bench.serve_sides import Sides, check_logs, check_mlserver, check_ours

CONNECTIONS = (1, 16)
WARMED = 16  # connections of the warm-up


@dataclass(frozen=True)
class Size:
    """How much one run does: the fleet, rounds, seconds of warm-up and of each measurement, and different requests.

    Full runs have so many requests that hardly one is sent twice: what a server remembers of one helps no other.
    """

    shape: Shape
    rounds: int
    warm: float
    measured: float
    bodies: int


SHORT = Size(Shape(4, 6, 250), rounds=1, warm=1, measured=1, bodies=10_000)
FULL = Size(Shape(12, 24, 250), rounds=5, warm=3, measured=5, bodies=100_000)
Taken = dict[str, dict[int, list[Load]]]


def turn(server: Server, size: Size, cores: Cores, check: Callable[[Server], Any]) -> dict[int, Load]:
    """Start a server, see that it answers right, warm it up, load it over each number of connections, stop it."""
    with server:
        check(server)
        drive(server, WARMED, size.warm, cores.load)
        return {c: drive(server, c, size.measured, cores.load) for c in CONNECTIONS}


def rounds(sides: Sides, size: Size, cores: Cores, workers: int) -> tuple[Taken, int]:
    """All sides in turns, and the bytes of one of our answers."""
    with sides.ours() as server:
        answer = check_ours(sides, server)
    acts: dict[str, Callable[[], dict[int, Load]]] = {
        "jomon": lambda: turn(sides.ours(), size, cores, lambda s: check_ours(sides, s)),
        "constant": lambda: turn(sides.constant(answer), size, cores, lambda s: None),
        "mlserver": lambda: turn(sides.mlserver(workers), size, cores, lambda s: check_mlserver(sides, s)),
    }
    taken: Taken = {name: {c: [] for c in CONNECTIONS} for name in acts}
    names = list(acts)
    for number in range(size.rounds):
        for name in names[number % 3 :] + names[: number % 3]:
            with step(f"round {number + 1} of {size.rounds}: {name}"):
                for connections, load in acts[name]().items():
                    taken[name][connections].append(load)
            if name == "jomon":
                check_logs(sides)
    return taken, len(answer)


def tried(sides: Sides, size: Size) -> dict[tuple[int, bool], float]:
    """Requests a second over 16 connections that MLServer answers, by parallel workers and with or without access log.

    Nothing is pinned here: two processes of MLServer would share a core.
    """
    out = {}
    loose = replace(sides, core=None)
    for workers, logs in ((0, False), (1, False), (0, True)):
        with step(f"MLServer with parallel_workers {workers}"), loose.mlserver(workers, logs) as server:
            drive(server, WARMED, size.warm)
            out[workers, logs] = drive(server, WARMED, size.measured).rate
    return out


def prepared(folder: Path, size: Size, core: str | None) -> Sides:
    """Our fleet, MLServer's models and the requests for both."""
    shape = size.shape
    with step(f"a fleet of {shape.members} members and a root"):
        built = project(folder / "project", shape)
    with step(f"{shape.members} models for MLServer"):
        fitted = models(folder / "models", shape)
    return Sides(folder, built, fitted, requests(folder, shape, size.bodies), core)


def measure(size: Size, cores: Cores) -> dict[str, Any]:
    """S5."""
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        sides = prepared(Path(name), size, cores.server)
        found = tried(sides, size)
        best = max(0, 1, key=lambda workers: found[workers, False])
        taken, answer = rounds(sides, size, cores, best)
        packed, (trees, leaves) = packs_of(sides.project), leaves_of(Path(name) / "models")
    results = [
        *(row for name, loads in taken.items() for row in rows(name, loads)),
        *(
            single(f"MLServer tried with parallel_workers {w}, access log {('off', 'on')[logs]}", rate, "1/s")
            for (w, logs), rate in found.items()
        ),
        single("members of ours below the root; models of MLServer", size.shape.members, "members"),
        single("trees of one of our chains, half of them the root's", 2 * packed.trees, "trees"),
        single("leaves of a tree of ours", packed.leaves, "leaves"),
        single("trees of one of MLServer's models", trees, "trees"),
        single("leaves of a tree of MLServer's", leaves, "leaves"),
        single("bytes of an answer of ours and of the constant server", answer, "bytes"),
    ]
    work = (
        f"one-row requests to {size.shape.members} members in random order, one worker, {cores}; routing, validation, "
        f"prediction log, access log and metrics on; MLServer with parallel_workers {best}"
    )
    used = versions("granian", "uvloop", "msgspec", "numpy", "lightgbm") | peer.versions_of(
        peer.python_of("mlserver"),
        "mlserver",
        "mlserver-lightgbm",
        "lightgbm",
        "fastapi",
        "uvicorn",
        "uvloop",
    )
    return document("S5", work, used | {"wrk": wrk_version()}, results, ratios(taken))


def rows(name: str, loads: dict[int, list[Load]]) -> list[dict[str, Any]]:
    """Throughput, latencies and processor time of one side."""
    out = []
    for connections, each in loads.items():
        over = f"{connections} connection{'s' * (connections > 1)}"
        out.append(spread(f"{name}: throughput, {over}", [load.rate for load in each], "1/s"))
        for what in ("p50", "p90", "p99"):
            out.append(spread(f"{name}: {what}, {over}", [getattr(load, what) for load in each], "ms"))
        for role in each[0].cpu:
            spent = [load.cpu_per_request.get(role, 0.0) for load in each]
            if max(spent) > 0.1:
                out.append(spread(f"{name}: processor time a request, {role}, {over}", spent, "us"))
    return out


def ratios(taken: Taken) -> list[dict[str, Any]]:
    """Ours beside each peer, round by round."""
    out = []
    for c in CONNECTIONS:
        over = f"{c} connection{'s' * (c > 1)}"
        ours, constant, theirs = (taken[name][c] for name in ("jomon", "constant", "mlserver"))
        rate = {name: [load.rate for load in taken[name][c]] for name in taken}
        out.append(ratio(f"MLServer throughput, {over}", rate["jomon"], rate["mlserver"]))
        out.append(ratio(f"constant server throughput, {over}", rate["jomon"], rate["constant"]))
        out.append(ratio(f"p99 over MLServer's p50, {over}", [x.p99 for x in ours], [x.p50 for x in theirs]))
        out.append(ratio(f"the constant server over MLServer, {over}", rate["constant"], rate["mlserver"]))
        out.append(
            ratio(f"p99 over the constant server's, {over}", [x.p99 for x in ours], [x.p99 for x in constant])
        )
    return out


def profile(size: Size, cores: Cores, file: Path) -> None:
    """Record a worker of ours with py-spy while it is loaded, one file for each number of connections."""
    if shutil.which("py-spy") is None:
        raise SystemExit("A profile needs py-spy; install it (pip install py-spy).")
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        with step("a fleet"):
            built = project(Path(name, "project"), size.shape)
        sides = Sides(Path(name), built, None, requests(Path(name), size.shape, size.bodies), cores.server)
        with sides.ours() as server:
            worker = next(pid for pid, role in server.processes().items() if role == "worker")
            drive(server, WARMED, size.warm, cores.load)
            for connections in CONNECTIONS:
                out = file.with_name(f"{file.stem}-{connections}{file.suffix or '.svg'}")
                words = ["py-spy", "record", "-p", str(worker), "-d", "5", "-r", "500", "-o", str(out)]
                spy = subprocess.Popen([*words, "-f", "raw" if out.suffix == ".txt" else "flamegraph"])
                load = drive(server, connections, 6, cores.load)
                spy.wait()
                print(f"{connections}: {load.rate:,.0f} requests/s, {load.cpu_per_request}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="the run whose figures count")
    parser.add_argument("--only", choices=("S5", "S7"), help="one of the two")
    parser.add_argument("--pin", action="store_true", help="a core for servers and one for wrk")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="record a worker of ours with py-spy")
    asked = parser.parse_args()
    size, cores = FULL if asked.full else SHORT, Cores.apart() if asked.pin else FREE
    if asked.profile is not None:
        profile(FULL, cores, asked.profile)
        return
    if asked.only != "S7":
        write(measure(size, cores), asked.full)
    if asked.only != "S5":
        write(serve_memory.measure(asked.full), asked.full)


if __name__ == "__main__":
    main()

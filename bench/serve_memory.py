"""S7: the memory of a server with many members and the time to its first answer, beside MLServer.

Memory is the proportional memory (PSS: pages that processes share are divided by their number) of the processes that
serve, a supervisor and one worker, after 10,000 requests that reach every member. The mover, which answers nothing, is
weighed apart. The base is a server with a fleet of one member after the same requests: what is above it is held against
the bytes of the packs. What a further worker has to itself (USS) is taken from servers of two, base again taken off: it
must not hold the packs a second time. What requests left behind, such as contexts that are remembered, is told too.
Start: from starting the program to its first answer, MLServer's when it has loaded all models; compiled code is on disk
before, as it is from the second start on a machine on.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from bench import peer
from bench.common import Row, document, ratio, single, spread, step, versions
from bench.http_load import Server, Usage
from bench.serve_fleet import Packed, Shape, each_member, models, packs_of, project
from bench.serve_sides import Sides

BASE = Shape(1, 1, 250)
MIB = 2**20
MOVER = "mover"


@dataclass(frozen=True)
class Size:
    """How much one run does: fleets of these shapes, times each server is weighed, and starts of each.

    Members of each shape divide those of the largest, so that every fleet gets as many requests.
    """

    shapes: tuple[Shape, ...]
    rounds: int
    starts: int


SHORT = Size((Shape(4, 6, 250),), rounds=1, starts=1)
FULL = Size((Shape(12, 25, 250), Shape(100, 100, 250)), rounds=5, starts=7)


@dataclass(frozen=True)
class Weighed:
    """A server's processes before and after its requests."""

    fresh: list[Usage]
    used: list[Usage]

    @property
    def pss(self) -> int:
        """Proportional memory of the serving processes, in use."""
        return _pss(self.used)

    @property
    def left(self) -> int:
        """What requests added to it."""
        return _pss(self.used) - _pss(self.fresh)

    @property
    def mover(self) -> int:
        """Proportional memory of the mover."""
        return sum(each.pss for each in self.used if each.role == MOVER)

    @property
    def resident(self) -> float:
        """Resident memory (RSS) of a worker in use."""
        return fmean(each.rss for each in self.used if each.role == "worker")

    @property
    def own(self) -> float:
        """What a worker in use has to itself (USS), on average over the workers."""
        return fmean(each.uss for each in self.used if each.role == "worker")


def _pss(usage: list[Usage]) -> int:
    return sum(each.pss for each in usage if each.role != MOVER)


def weigh(server: Server) -> Weighed:
    """Start a server, send it all its requests, and weigh its processes before and after."""
    with server:
        fresh = server.usage()
        server.ask_all()
        return Weighed(fresh, server.usage())


def started(server: Server) -> float:
    """Seconds from starting a server to its first answer."""
    with server:
        return server.start_seconds


@dataclass(frozen=True)
class Beside:
    """A fleet and the base after the same requests, each served by one worker and by two, round by round."""

    one: list[Weighed]
    two: list[Weighed]
    base_one: list[Weighed]
    base_two: list[Weighed]


@dataclass(frozen=True)
class Found:
    """What was weighed and timed: ours by members, MLServer's, and seconds to first answers by what was started."""

    ours: dict[int, Beside]
    mlserver: list[Weighed]
    starts: dict[str, list[float]]


def prepared(folder: Path, shape: Shape, asked: int, theirs: bool = False) -> Sides:
    """A fleet, so many requests to all of its members, and where wanted as many models for MLServer."""
    folder.mkdir()
    with step(f"a fleet of {_members(shape.members)} and a root"):
        built = project(folder / "project", shape)
    fitted = None
    if theirs:
        with step(f"{shape.members:,} models for MLServer"):
            fitted = models(folder / "models", shape)
    return Sides(folder, built, fitted, each_member(folder, shape, asked))


def measure(full: bool) -> dict[str, Any]:
    """S7."""
    size = FULL if full else SHORT
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        asked = max(shape.members for shape in size.shapes)
        base = prepared(Path(name, "base"), BASE, asked)
        fleets = {
            shape.members: prepared(Path(name, str(shape.members)), shape, asked, shape is size.shapes[0])
            for shape in size.shapes
        }
        return report(compare(size, base, fleets), fleets)


def compare(size: Size, base: Sides, fleets: dict[int, Sides]) -> Found:
    """Weigh and time all servers in turns."""
    found = Found({members: Beside([], [], [], []) for members in fleets}, [], {})
    few = fleets[min(fleets)]
    started(few.ours())  # from here on compiled code is on disk
    for number in range(size.rounds):
        for members, sides in fleets.items():
            with step(f"memory, round {number + 1} of {size.rounds}: {_members(members)}"):
                same = replace(base, requests=sides.requests)
                beside = found.ours[members]
                beside.one.append(weigh(sides.ours()))
                beside.base_one.append(weigh(same.ours()))
                beside.two.append(weigh(sides.ours(workers=2)))
                beside.base_two.append(weigh(same.ours(workers=2)))
        with step(f"memory, round {number + 1} of {size.rounds}: MLServer"):
            found.mlserver.append(weigh(few.mlserver()))
    for number in range(size.starts):
        with step(f"starts, round {number + 1} of {size.starts}"):
            for members, sides in fleets.items():
                found.starts.setdefault(_members(members), []).append(started(sides.ours()))
            found.starts.setdefault("MLServer", []).append(started(few.mlserver()))
    return found


def report(found: Found, fleets: dict[int, Sides]) -> dict[str, Any]:
    """The document."""
    few = min(fleets)
    packed = {members: packs_of(sides.project) for members, sides in fleets.items()}
    mlserver = _column(found.mlserver, "pss")
    results = [
        *(row for members in fleets for row in _rows(members, found.ours[members], packed[members])),
        spread(f"MLServer: memory of all processes (PSS), {few:,} models", mlserver / MIB, "MiB"),
        *(spread(f"start to first answer, {what}", each, "s") for what, each in found.starts.items()),
    ]
    ratios = [
        *(row for members in fleets for row in _ratios(members, found.ours[members], packed[members])),
        ratio(f"memory over MLServer's, {_members(few)}", _column(found.ours[few].one, "pss"), mlserver),
        ratio(
            f"start over MLServer's, {_members(few)}", *(found.starts[w] for w in (_members(few), "MLServer"))
        ),
    ]
    sizes = " and ".join(f"{members:,}" for members in fleets)
    one = packed[few]
    work = (
        f"memory of a server with {sizes} members of {one.trees:.0f} trees with {one.leaves:.0f} leaves beyond that of "
        f"one with a single member; start to first answer; MLServer with {few:,} models of twice the trees"
    )
    used = versions("granian", "uvloop", "numpy") | peer.versions_of(
        peer.python_of("mlserver"), "mlserver", "mlserver-lightgbm", "lightgbm"
    )
    return document("S7", work, used, results, ratios)


def _members(members: int) -> str:
    return f"{members:,} member{'s' * (members > 1)}"


def _column(each: list[Weighed], what: str) -> np.ndarray:
    return np.array([getattr(weighed, what) for weighed in each], np.float64)


def _rows(members: int, beside: Beside, packed: Packed) -> list[Row]:
    what = _members(members)

    def memory(name: str, each: list[Weighed], column: str) -> Row:
        return spread(f"{name}, {what}", _column(each, column) / MIB, "MiB")

    return [
        memory("memory of supervisor and worker (PSS)", beside.one, "pss"),
        memory("memory of supervisor and worker (PSS), base", beside.base_one, "pss"),
        memory("of it, left by the requests", beside.one, "left"),
        memory("of it, left by the requests, base", beside.base_one, "left"),
        memory("the worker alone, resident (RSS)", beside.one, "resident"),
        memory("a worker of two, its own (USS)", beside.two, "own"),
        memory("a worker of two, its own (USS), base", beside.base_two, "own"),
        memory("the mover (PSS)", beside.one, "mover"),
        single(f"bytes of the packs, {what}", packed.nbytes / MIB, "MiB"),
        single(f"trees of a member, {what}", packed.trees, "trees"),
        single(f"leaves of a tree, {what}", packed.leaves, "leaves"),
    ]


def _ratios(members: int, beside: Beside, packed: Packed) -> list[dict[str, Any]]:
    beyond = _column(beside.one, "pss") - _column(beside.base_one, "pss")
    further = _column(beside.two, "own") - _column(beside.base_two, "own")
    said = f"over the packs' bytes, {_members(members)}"
    return [
        ratio(f"memory beyond base {said}", beyond, [packed.nbytes]),
        ratio(f"a further worker's own memory beyond base {said}", further, [packed.nbytes]),
    ]

"""S7: the memory of a server with many members and the time to its first answer, beside MLServer.

Memory is the proportional memory (PSS: pages that processes share are divided by their number) of all processes of a
server together: supervisor, one worker, and what else it starts; after requests to every member. That of a server with
a fleet of one member is the base: what is above it is held against the bytes of the packs. What a further worker has
to itself (USS) is taken from a server of two, base again taken off: it must not hold the packs a second time.
Start: from starting the program to its first answer, MLServer's when it has loaded all models; compiled code is on disk
before, as it is from the second start on a machine on.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from bench import peer
from bench.common import Row, document, ratio, single, spread, step, versions
from bench.http_load import Server, Usage, drive, lines
from bench.serve_fleet import Packed, Shape, each_member, models, packs_of, project
from bench.serve_sides import Sides

BASE = Shape(1, 1, 250)
CONNECTIONS = 32
MIB = 2**20
MOST = 20  # runs of wrk in which all members must have been reached


@dataclass(frozen=True)
class Size:
    """How much one run does: fleets of these shapes, times each server is weighed, and starts of each."""

    shapes: tuple[Shape, ...]
    rounds: int
    starts: int


SHORT = Size((Shape(4, 6, 250), Shape(8, 12, 250)), rounds=1, starts=1)
FULL = Size((Shape(12, 25, 250), Shape(100, 100, 250)), rounds=3, starts=7)


@dataclass(frozen=True)
class Weighed:
    """A server in use: memory of its processes and seconds from its start to its first answer."""

    usage: list[Usage]
    start: float

    @property
    def pss(self) -> int:
        """Proportional memory of all processes."""
        return sum(each.pss for each in self.usage)

    def of_worker(self, what: str) -> float:
        """Memory of a worker (`rss`, `pss` or `uss`), on average over the workers."""
        return fmean(getattr(each, what) for each in self.usage if each.role == "worker")


def weigh(server: Server) -> Weighed:
    """Start a server, ask every member, and weigh its processes."""
    wanted = sum(1 for _ in lines(server.requests, 10**9)) * 2
    with server:
        for _ in range(MOST):
            wanted -= drive(server, CONNECTIONS, 1).requests
            if wanted <= 0:
                return Weighed(server.usage(), server.start_seconds)
        raise SystemExit(f"{server.name} is too slow to be asked for every member {MOST} times over")


def started(server: Server) -> float:
    """Seconds from starting a server to its first answer."""
    with server:
        return server.start_seconds


def prepared(folder: Path, shape: Shape, theirs: bool) -> Sides:
    """A fleet, and where wanted the same models for MLServer."""
    folder.mkdir()
    with step(f"a fleet of {shape.members:,} members and a root"):
        built = project(folder / "project", shape)
    fitted = None
    if theirs:
        with step(f"{shape.members:,} models for MLServer"):
            fitted = models(folder / "models", shape)
    return Sides(folder, built, fitted, each_member(folder, shape, 1 if shape.members > 1 else 100))


def measure(full: bool) -> dict[str, Any]:
    """S7."""
    size = FULL if full else SHORT
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        base = prepared(Path(name, "base"), BASE, False)
        fleets = {
            s.members: prepared(Path(name, str(s.members)), s, s is size.shapes[0]) for s in size.shapes
        }
        return compared(size, base, fleets)


def compared(size: Size, base: Sides, fleets: dict[int, Sides]) -> dict[str, Any]:
    """The document, from servers started in turns."""
    few = min(fleets)
    weighed = weigh_all(size, {1: base, **fleets}, few)
    starts = start_all(size, fleets, few)
    packed = {members: packs_of(sides.project) for members, sides in fleets.items()}
    results = [
        *(row for members, each in weighed.ours.items() for row in _memory_rows(members, each)),
        spread(
            f"MLServer: memory of all processes (PSS), {few:,} models", _pss(weighed.mlserver) / MIB, "MiB"
        ),
        *(row for members, each in packed.items() for row in _pack_rows(members, each)),
        *(spread(f"start to first answer, {what}", seconds, "s") for what, seconds in starts.items()),
    ]
    bare = weighed.ours[1]
    ratios = [
        _beyond_base(members, weighed.ours[members], bare, packed[members].nbytes) for members in fleets
    ]
    ratios += [_further(members, weighed.ours[members], bare, packed[members].nbytes) for members in fleets]
    ratios.append(
        ratio(
            f"memory over MLServer's, {few:,} members", _pss(weighed.ours[few].alone), _pss(weighed.mlserver)
        )
    )
    ratios.append(
        ratio(
            f"start over MLServer's, {few:,} members",
            starts[_members(few)],
            starts[f"MLServer, {few:,} models"],
        )
    )
    sizes = " and ".join(f"{members:,}" for members in fleets)
    one = packed[few]
    work = (
        f"memory of a server with {sizes} members of {one.trees:.0f} trees with {one.leaves:.0f} leaves, after requests "
        f"to each, and of one with a single member; start to first answer; MLServer with {few:,} models of twice the trees"
    )
    used = versions("granian", "uvloop", "numpy") | peer.versions_of(
        peer.python_of("mlserver"), "mlserver", "mlserver-lightgbm", "lightgbm"
    )
    return document("S7", work, used, results, ratios)


@dataclass(frozen=True)
class OneFleet:
    """The same fleet served by one worker, and by two."""

    alone: list[Weighed]
    two: list[Weighed]


@dataclass(frozen=True)
class AllFleets:
    """Our fleets by their members, 1 for the base, and MLServer."""

    ours: dict[int, OneFleet]
    mlserver: list[Weighed]


def weigh_all(size: Size, sides: dict[int, Sides], few: int) -> AllFleets:
    """Weigh every server in turns."""
    found = AllFleets({members: OneFleet([], []) for members in sides}, [])
    for number in range(size.rounds):
        for members, each in sides.items():
            with step(f"memory, round {number + 1} of {size.rounds}: {_members(members)}"):
                found.ours[members].alone.append(weigh(each.ours()))
                found.ours[members].two.append(weigh(each.ours(workers=2)))
        with step(f"memory, round {number + 1} of {size.rounds}: MLServer"):
            found.mlserver.append(weigh(sides[few].mlserver()))
    return found


def start_all(size: Size, fleets: dict[int, Sides], few: int) -> dict[str, list[float]]:
    """Seconds to the first answer of every server, started in turns."""
    out: dict[str, list[float]] = {}
    for number in range(size.starts):
        with step(f"starts, round {number + 1} of {size.starts}"):
            for members, sides in fleets.items():
                out.setdefault(_members(members), []).append(started(sides.ours()))
            out.setdefault(f"MLServer, {few:,} models", []).append(started(fleets[few].mlserver()))
    return out


def _members(members: int) -> str:
    return f"{members:,} member{'s' * (members > 1)}"


def _pss(each: list[Weighed]) -> np.ndarray:
    return np.array([weighed.pss for weighed in each], np.float64)


def _own(each: list[Weighed]) -> np.ndarray:
    return np.array([weighed.of_worker("uss") for weighed in each])


def _memory_rows(members: int, fleet: OneFleet) -> list[Row]:
    resident = np.array([weighed.of_worker("rss") for weighed in fleet.alone])
    what = _members(members)
    return [
        spread(f"memory of all processes (PSS), {what}", _pss(fleet.alone) / MIB, "MiB"),
        spread(f"the worker alone, resident (RSS), {what}", resident / MIB, "MiB"),
        spread(f"memory of all processes of two workers (PSS), {what}", _pss(fleet.two) / MIB, "MiB"),
        spread(f"a worker of two, its own (USS), {what}", _own(fleet.two) / MIB, "MiB"),
    ]


def _pack_rows(members: int, packed: Packed) -> list[Row]:
    what = _members(members)
    return [
        single(f"bytes of the packs, {what}", packed.nbytes / MIB, "MiB"),
        single(f"trees of a member, {what}", packed.trees, "trees"),
        single(f"leaves of a tree, {what}", packed.leaves, "leaves"),
    ]


def _beyond_base(members: int, fleet: OneFleet, base: OneFleet, nbytes: int) -> dict[str, Any]:
    beyond = _pss(fleet.alone) - _pss(base.alone)
    return ratio(f"memory beyond base over the packs' bytes, {_members(members)}", beyond, [nbytes])


def _further(members: int, fleet: OneFleet, base: OneFleet, nbytes: int) -> dict[str, Any]:
    beyond = _own(fleet.two) - _own(base.two)
    return ratio(
        f"a further worker's own memory beyond base over the packs' bytes, {_members(members)}",
        beyond,
        [nbytes],
    )

"""The memory of a program and all its processes while it runs: shared pages are counted once (Linux)."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bench.common import environment

SHARE = 0.05  # of the time that sampling may take
LEAST_PAUSE = 0.05  # seconds between samples


@dataclass(frozen=True)
class Watched:
    """A program that ended well: wall seconds, what it printed, and the peak of its processes' memory in bytes."""

    seconds: float
    out: str
    peak_bytes: int


def watched(
    command: Sequence[str | Path], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Watched:
    """Run a program to its end; raises SystemExit with what it said where it fails."""
    words = [str(word) for word in command]
    started = time.perf_counter()
    process = subprocess.Popen(
        words, cwd=cwd, env=environment(env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with Sampler(process.pid) as sampler:
        out, said = process.communicate()
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{words} ended with {process.returncode}:\n{said[-4000:]}")
    return Watched(seconds, out, sampler.peak)


class Sampler:
    """Samples the memory of a process and its descendants from a thread; `peak` is the largest sum in bytes."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self.sampled = threading.Event()  # set after the first sample
        self._pid, self._ended = pid, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        pause = 0.0
        while not self._ended.wait(pause):
            started = time.perf_counter()
            self.peak = max(self.peak, sum(proportional_bytes(pid) for pid in family(self._pid)))
            self.sampled.set()
            pause = max(LEAST_PAUSE, (time.perf_counter() - started) / SHARE)


def proportional_bytes(pid: int) -> int:
    """Memory of one process, shared pages divided by their users; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    out, waiting = [], [pid]
    while waiting:
        here = waiting.pop()
        out.append(here)
        for path in Path(f"/proc/{here}/task").glob("*/children"):
            try:
                waiting += [int(word) for word in path.read_text().split()]
            except OSError:
                continue
    return out

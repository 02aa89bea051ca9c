"""What runs in a training process: fit some members on arrays it maps, and send back their bytes.

Only references travel: a `Job` names files with the arrays of a stage, a `Task` names a segment and the blocks for
which its margins on unseen rows are wanted.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from jomon.core.errors import CorruptError, JomonError
from jomon.core.table import Floats
from jomon.engine.member import MemberArrays, member_from_bytes, member_to_bytes
from jomon.stats.links import Kind, Link
from jomon.training.estimators import Design, Sample, Slow, estimator

ALL = -1  # in place of a block: fit on every usable row, the member that is kept


@dataclass(frozen=True)
class Job:
    """What all members of a stage share. `folder` holds X, y, offset (if any), learn_day, block and order as .npy.

    `history_days`: fit on outcomes of that many days before a cut only; 0 for all of them.
    """

    folder: str
    estimator: str
    project_dir: str | None
    kind: Kind
    params: Mapping[str, Any]
    seed: int
    design: Design
    columns: tuple[int, ...]
    edges: tuple[int, ...]
    has_offset: bool
    min_rows: int
    opaque: bool
    history_days: int = 0


@dataclass(frozen=True)
class Task:
    """Fit segment `s`, whose rows stand at `start:stop` of the stage's order, once for each of `cuts`.

    A cut is a block: fit on the rows that could be learned from before it began, and give the margins of its own
    rows; or `ALL`.
    """

    s: int
    start: int
    stop: int
    cuts: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of one cut of one segment: margins on the cut's rows, or the kept member's bytes, or why neither."""

    s: int
    cut: int
    margins: Floats | None
    member: bytes | None
    error: str | None
    seconds: float


def start_worker(preload: str | None = None, lifeline: Connection | None = None) -> None:
    """Leave Ctrl-C to the parent process, end when it closes `lifeline`, and load the library that the tasks need."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if lifeline is not None:
        threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    if preload == "lightgbm":
        from jomon.training.estimators.lightgbm import load_lightgbm

        load_lightgbm()


def _end_with(lifeline: Connection) -> None:
    """End this process when nobody holds the other end any more."""
    connection.wait([lifeline])
    os._exit(1)


def run_tasks(job: Job, tasks: list[Task]) -> list[Outcome]:
    """Fit every cut of every task; what fails is reported in its outcome and stops nothing else."""
    arrays = _arrays(job.folder)
    out = []
    for task in tasks:
        rows = arrays["order"][task.start : task.stop]
        out += [_run_cut(job, arrays, task.s, rows, cut) for cut in task.cuts]
    return out


def _run_cut(job: Job, arrays: Mapping[str, Any], s: int, rows: Any, cut: int) -> Outcome:
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            margins, member = _fit_cut(job, arrays, rows, cut)
    except Exception as error:
        text = str(error) if isinstance(error, JomonError) else f"{type(error).__name__}: {error}"
        return Outcome(s, cut, None, None, text, time.perf_counter() - started)
    return Outcome(s, cut, margins, member, None, time.perf_counter() - started)


def _fit_cut(job: Job, arrays: Mapping[str, Any], rows: Any, cut: int) -> tuple[Floats | None, bytes | None]:
    if cut == ALL:
        learn, answer = rows, rows[:0]
    else:
        learn_day = arrays["learn_day"][rows]
        recent = learn_day > job.edges[cut] - job.history_days if job.history_days else True
        learn = rows[(learn_day <= job.edges[cut]) & recent]
        answer = rows[arrays["block"][rows] == cut]
        if not len(answer) or len(learn) < max(job.min_rows, 1):
            return np.zeros(len(answer)), None
    columns = list(job.columns)
    X = np.ascontiguousarray(arrays["X"][learn][:, columns])
    offset = np.asarray(arrays["offset"][learn]) if job.has_offset else None
    sample = Sample(X, np.asarray(arrays["y"][learn]), offset)
    fitted = estimator(job.estimator, job.project_dir).fit(
        sample, job.design.subset(job.columns), Link(job.kind), job.params, job.seed
    )
    if cut == ALL:
        return None, _member_bytes(fitted, job)
    margins = fitted.margin(np.ascontiguousarray(arrays["X"][answer][:, columns]))
    if not np.isfinite(margins).all():
        raise JomonError("it answered with numbers that are not finite")
    return margins, None


def _member_bytes(fitted: Slow, job: Job) -> bytes:
    if job.opaque:
        assert fitted.opaque is not None
        return fitted.opaque
    assert fitted.packed is not None
    model = fitted.packed
    if job.columns != tuple(range(len(job.design.names))):
        model = model.with_columns(job.columns, len(job.design.names))
    return member_to_bytes(MemberArrays(model))


@lru_cache(maxsize=2)
def _arrays(folder: str) -> dict[str, Any]:
    return {path.stem: np.load(path, mmap_mode="r") for path in sorted(Path(folder).glob("*.npy"))}


@dataclass(frozen=True)
class SlowFit:
    """A segment's slow part as the build cache keeps it.

    `member`: bytes of its arrays, or of an opaque object; `unseen`: its margins (float64) on the rows of each block
    that it did not see, by block; `seconds` it took.
    """

    member: bytes
    unseen: Mapping[int, Floats]

    def to_bytes(self) -> bytes:
        """One safetensors file; equal fits give equal bytes."""
        arrays = {f"unseen.{block}": np.ascontiguousarray(m) for block, m in self.unseen.items()}
        arrays["member"] = np.frombuffer(self.member, np.uint8)
        # One note only: safetensors writes several in no fixed order.
        return bytes(safetensors.numpy.save(arrays, {"jomon.slow": "1"}))

    @classmethod
    def from_bytes(cls, data: bytes) -> SlowFit:
        """The inverse of `to_bytes`; raises `CorruptError` where the bytes are something else."""
        try:
            arrays = safetensors.numpy.load(data)
            member = arrays.pop("member").tobytes()
            unseen = {int(name.partition(".")[2]): a for name, a in sorted(arrays.items())}
        except (ValueError, KeyError, safetensors.SafetensorError) as error:
            raise CorruptError(
                f"A cached member cannot be read ({error}); it will be fitted again."
            ) from error
        return cls(member, unseen)

    def arrays(self) -> MemberArrays:
        """The packed form of the member."""
        return member_from_bytes(self.member)

    def margin(self, X: Floats) -> Floats:
        """What the packed member adds to each row, before shrinking: float64[n]."""
        from jomon.engine.engine import score_member

        return score_member(self.arrays(), X)

"""Fast parts of a fleet: per stage and segment an offset, a slope and a centre, and what updates them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jomon.core.errors import BuildError
from jomon.core.table import Floats, Ints
from jomon.engine.tensors import Array, Buffer, corrupt, expect, expect_version, read_tensors, write_tensors

VERSION = 1
_FORMAT = "jomon.fast"
_COLUMNS = ("offset", "slope", "center")
_EXTRA = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, eq=False)
class FastTable:
    """What the engine adds to a margin z in each of M segments: `offset + slope * (z - center)`.

    codes: int64[M], ascending segment codes; offset, slope, center: float64[M].
    """

    codes: Ints
    offset: Floats
    slope: Floats
    center: Floats

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def problem(self) -> str | None:
        """Why the table cannot be used, or None where it can."""
        columns = [getattr(self, name) for name in _COLUMNS]
        if any(column.shape != self.codes.shape for column in columns):
            return "its columns have different lengths"
        if (self.codes[1:] <= self.codes[:-1]).any():
            return "its segments are not in order"
        if not all(np.isfinite(column).all() for column in columns):
            return "it holds a number that is not finite"
        return None


@dataclass(frozen=True, eq=False)
class FastState:
    """A fast table with what is needed to update it.

    codes, offset, slope, center: as in `FastTable`; extra: named float64 arrays with one row per segment
    (M, or M by k); meta: a JSON object. Raises `BuildError` where lengths differ, codes are not ascending
    or a number of the table is not finite.
    """

    codes: Ints
    offset: Floats
    slope: Floats
    center: Floats
    extra: Mapping[str, Floats] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problem = self.table.problem
        if any(len(array) != len(self.codes) or array.ndim > 2 for array in self.extra.values()):
            problem = "a statistic has another number of rows than the table"
        if problem:
            raise BuildError(
                f"This fast table cannot be used: {problem}; compute it again from the outcomes."
            )

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def table(self) -> FastTable:
        """The part the engine needs."""
        return FastTable(self.codes, self.offset, self.slope, self.center)


def write_fast(tables: Sequence[FastState | None]) -> bytes:
    """All stages' fast tables, in stage order, as one safetensors file; None is a stage without one."""
    arrays: dict[str, Array] = {}
    metas: list[Any] = []
    for stage, state in enumerate(tables):
        metas.append(None if state is None else dict(state.meta))
        if state is None:
            continue
        arrays[f"{stage}:codes"] = np.asarray(state.codes, np.int64)
        for name in _COLUMNS:
            arrays[f"{stage}:{name}"] = np.asarray(getattr(state, name), np.float64)
        for name, array in state.extra.items():
            if not _EXTRA.fullmatch(name):
                raise BuildError(
                    f"{name!r} cannot name a statistic; use letters, digits, dots, dashes, underscores."
                )
            arrays[f"{stage}:extra:{name}"] = np.asarray(array, np.float64)
    text = json.dumps(metas, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return write_tensors(arrays, {"format": _FORMAT, "version": str(VERSION), "stages": text})


def read_fast(data: Buffer, what: str = "The fast layer") -> tuple[FastState | None, ...]:
    """The tables in `data`, as views of it; raises `CorruptError` or `StoreError` where it holds none."""
    arrays, metadata = read_tensors(data, what)
    if metadata.get("format") != _FORMAT:
        raise corrupt(what, "it is not a fast layer")
    expect_version(metadata, VERSION, what)
    try:
        metas = json.loads(metadata.get("stages", ""))
    except (ValueError, RecursionError):
        metas = None
    if not isinstance(metas, list) or not all(meta is None or isinstance(meta, dict) for meta in metas):
        raise corrupt(what, "its list of stages cannot be read")
    return tuple(
        None if meta is None else _state(arrays, stage, meta, what) for stage, meta in enumerate(metas)
    )


def _state(arrays: Mapping[str, Array], stage: int, meta: dict[str, Any], what: str) -> FastState:
    codes = expect(arrays, f"{stage}:codes", "I64", (None,), what)
    offset, slope, center = (expect(arrays, f"{stage}:{name}", "F64", codes.shape, what) for name in _COLUMNS)
    prefix = f"{stage}:extra:"
    extra = {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
    if any(a.dtype != np.float64 or not 1 <= a.ndim <= 2 or len(a) != len(codes) for a in extra.values()):
        raise corrupt(what, "a statistic has another number of rows than its table")
    problem = FastTable(codes, offset, slope, center).problem
    if problem:
        raise corrupt(what, problem)
    return FastState(codes, offset, slope, center, extra=extra, meta=meta)

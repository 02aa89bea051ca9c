"""What a caller is told of an answer: the chain of members, why others are not in it, and what each added."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from jomon.engine.runtime import answers_of
from jomon.serving.batcher import LARGE
from jomon.serving.image import ServedImage
from jomon.serving.places import Variant
from jomon.serving.rowpath import Row


async def explained_beside(image: ServedImage, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """`explained`, for many rows in a thread, so that nobody waits for it."""
    if len(rows) <= LARGE:
        return explained(image, rows)
    return await asyncio.get_running_loop().run_in_executor(None, explained, image, rows)


def explained(image: ServedImage, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One document per row: the member that is finest, the margin, and a step per stage with its shares.

    `slow` and `fast` are what the two parts of a member added to the margin, `so_far` the answer after it; null where
    no member took part.
    """
    runtime = image.runtime
    stacked = image.path.stack(rows)
    scores = runtime.engine.score(*stacked, explain=True)
    assert scores.slow is not None
    assert scores.fast is not None
    added = scores.slow + scores.fast
    so_far = answers_of(runtime.kind, added if image.path.replaces else np.cumsum(added, axis=1))
    shares = [part.tolist() for part in (scores.slow, scores.fast, so_far)]
    margins = scores.margin.tolist()
    told: dict[int, list[_Step]] = {}
    out = []
    for at, row in enumerate(rows):
        steps = told.get(id(row.variant))
        if steps is None:
            steps = told[id(row.variant)] = _steps(row.variant)
        chain = [
            _step(step, slow, fast, after)
            for step, slow, fast, after in zip(steps, *(part[at] for part in shares), strict=True)
        ]
        out.append({"segment": row.variant.chain[-1], "margin": margins[at], "chain": chain})
    return out


_Step = tuple[list[str], str | None, bool, str]


def _steps(variant: Variant) -> list[_Step]:
    return [(list(step.level), step.segment, step.active, step.reason) for step in variant.steps()]


def _step(step: _Step, slow: float, fast: float, so_far: float) -> dict[str, Any]:
    level, segment, active, reason = step
    return {
        "level": level,
        "segment": segment,
        "active": active,
        "reason": reason,
        "slow": slow if active else None,
        "fast": fast if active else None,
        "so_far": so_far if active else None,
    }

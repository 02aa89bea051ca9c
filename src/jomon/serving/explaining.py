"""What a caller is told of an answer: the chain of members, why others are not in it, and what each added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jomon.engine.runtime import answers_of
from jomon.serving.image import ServedImage
from jomon.serving.rowpath import Row


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
    out = []
    for at, row in enumerate(rows):
        steps = []
        for stage, step in enumerate(row.variant.steps()):
            shares = (float(part[at, stage]) for part in (scores.slow, scores.fast, so_far))
            slow, fast, after = shares if step.active else (None, None, None)
            steps.append(
                {
                    "level": list(step.level),
                    "segment": step.segment,
                    "active": step.active,
                    "reason": step.reason,
                    "slow": slow,
                    "fast": fast,
                    "so_far": after,
                }
            )
        out.append({"segment": row.variant.chain[-1], "margin": float(scores.margin[at]), "chain": steps})
    return out

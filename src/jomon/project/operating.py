"""Gold rows as traffic: what the slow parts of an image say of them, ready for its fast parts."""

from __future__ import annotations

import numpy as np

from jomon.core.rows import GoldRows
from jomon.engine.runtime import Runtime, contains
from jomon.training.build import days_of
from jomon.training.operate import Traffic


def traffic_of(runtime: Runtime, gold: GoldRows) -> Traffic:
    """The rows of `gold`, which must be of the image's own project, as `operate` takes them."""
    serve_day, learn_day = days_of(gold, runtime.context.local)
    scores = runtime.engine.score(runtime.encoder.encode(gold.table), gold.codes, gold.has, explain=True)
    assert scores.slow is not None
    levels = [stage.level for stage in runtime.spec.stages]
    texts = [
        {segment.code: segment.text for segment in segmented.segments}
        for segmented in runtime.context.segments_at(gold.table, levels)
    ]
    has_slow = contains(runtime.slow_codes, gold.codes, gold.has)
    slow = np.where(has_slow, scores.slow, 0.0)
    return Traffic(slow, has_slow, gold.codes, gold.has, gold.target, serve_day, learn_day, texts)


def in_canonical_order(traffic: Traffic) -> Traffic:
    """The same rows, those of a day in an order that their content alone decides.

    What fast parts learn is a sum over rows, and its last bits depend on their order: so that it does not matter where
    the rows came from, or how their keys are typed.
    """
    content = [
        array[:, stage]
        for array in (traffic.slow, traffic.codes, traffic.has)
        for stage in range(traffic.slow.shape[1])
    ]
    return traffic.take(np.lexsort((*content, traffic.y, traffic.serve_day)))

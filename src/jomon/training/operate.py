"""A fleet as operated: slow parts as they are, fast parts updated day by day as outcomes become known.

The same function gives what the fleet would have answered through a stretch of time and the fast parts at its end, so
that a refresh and an evaluation cannot disagree. Updating day by day, or several days at once, gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jomon.core.table import Codes, Floats, Ints
from jomon.engine.fasttable import FastState
from jomon.stats.links import Link
from jomon.training.fast import FastParams, FilterState, Stretch
from jomon.training.rows import Days, Positions
from jomon.training.served import Served

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Traffic:
    """n rows in time order as the slow parts of S stages see them.

    `slow` float64[n, S]: shrunk contribution; `has_slow` bool[n, S]: whether a slow member of the stage applies;
    `codes` int64[n, S], `has` bool[n, S] as the engine takes them; `y` float64[n], NaN where unknown; days as in
    `TrainingRows`; `texts`: the segments' texts by stage and code, for segments that are new.
    """

    slow: Floats
    has_slow: Flags
    codes: Ints
    has: Flags
    y: Floats
    serve_day: Days
    learn_day: Days
    texts: Sequence[Mapping[int, str]]

    def take(self, index: Flags | Positions) -> Traffic:
        """The rows where `index` is true, or those at the positions `index`."""
        return replace(
            self,
            slow=self.slow[index],
            has_slow=self.has_slow[index],
            codes=self.codes[index],
            has=self.has[index],
            y=self.y[index],
            serve_day=self.serve_day[index],
            learn_day=self.learn_day[index],
        )


def operate(
    link: Link,
    relation: str,
    traffic: Traffic,
    states: Sequence[FastState | None],
    until_day: int,
    without: int | None = None,
) -> tuple[Served, tuple[FastState | None, ...]]:
    """Answers to every row and the fast parts at the start of local day `until_day`; `without` leaves one stage out.

    Rows are answered with what was known at the start of their local day. Outcomes that a state has learned already
    (their `learn_day` is not after its day) are not learned again.
    """
    n = len(traffic.y)
    served = Served(np.zeros(n), np.zeros(n))
    new: list[FastState | None] = []
    for stage, state in enumerate(states):
        if stage == without:
            new.append(state)
            continue
        has_slow = traffic.has_slow[:, stage]
        entering = served.plus(traffic.slow[:, stage])
        if relation == "replace":
            own = traffic.slow[:, stage]
            entering = Served(own, own.copy())
        if state is None:
            served = entering if relation != "replace" else entering.where(has_slow, served)
            new.append(None)
            continue
        after, moved = _move(link, traffic, stage, state, entering, until_day)
        served = after if relation != "replace" else after.where(has_slow, served)
        new.append(moved)
    return served, tuple(new)


def _move(
    link: Link, traffic: Traffic, stage: int, state: FastState, entering: Served, until_day: int
) -> tuple[Served, FastState]:
    """Run the filter of one stage from the day its state stands at."""
    params = FastParams.from_document(state.meta["params"])
    state = grown(state, traffic.codes[:, stage][traffic.has[:, stage]], traffic.texts[stage])
    segment = _places(state.codes, traffic.codes[:, stage], traffic.has[:, stage])
    day = int(state.meta["day"])
    learn_day = np.where(traffic.learn_day <= day, np.int32(np.iinfo(np.int32).min), traffic.learn_day)
    stretch = Stretch(
        link,
        segment,
        len(state),
        traffic.y,
        traffic.serve_day,
        learn_day.astype(np.int32),
        entering,
        day + 1,
        max(until_day, day),
        (),
    )
    begin = FilterState(
        np.asarray(state.extra["linear"], np.float64),
        np.asarray(state.extra["precision"], np.float64),
        np.column_stack([state.offset, state.slope]),
    )
    after, end = stretch.run(params, begin)
    moved = replace(
        state,
        offset=end.theta[:, 0].copy(),
        slope=end.theta[:, 1].copy(),
        extra={"linear": end.linear, "precision": end.precision},
        meta={**state.meta, "day": max(until_day, day)},
    )
    return after, moved


def grown(state: FastState, codes: Ints, texts: Mapping[int, str]) -> FastState:
    """The state with a fresh row for every segment among `codes` that it does not know and may take in."""
    if not state.meta.get("grow", False):
        return state
    closed = {int(code) for code in state.meta.get("closed", ())}
    unknown = [c for c in np.setdiff1d(codes, state.codes).tolist() if c not in closed]
    if not unknown:
        return state
    center = float(state.meta["params"]["center"])
    merged = np.concatenate([state.codes, np.array(unknown, np.int64)])
    order = np.argsort(merged)

    def extend(array: Floats, value: float) -> Floats:
        more = np.full((len(unknown), *array.shape[1:]), value)
        return np.concatenate([array, more])[order]

    born = {**state.meta.get("born", {}), **{str(c): texts[c] for c in unknown if c in texts}}
    return FastState(
        codes=merged[order],
        offset=extend(state.offset, 0.0),
        slope=extend(state.slope, 0.0),
        center=extend(state.center, center),
        extra={name: extend(array, 0.0) for name, array in state.extra.items()},
        meta={**state.meta, "born": born},
    )


def _places(known: Ints, codes: Ints, has: Flags) -> Codes:
    """Position of each row's code among the known ones (ascending), -1 where it is none of them."""
    place = np.searchsorted(known, codes)
    place = np.minimum(place, max(len(known) - 1, 0))
    found = has & (known[place] == codes) if len(known) else np.zeros(len(codes), np.bool_)
    return np.where(found, place, -1).astype(np.int32)

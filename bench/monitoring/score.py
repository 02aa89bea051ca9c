"""Scores: quiet checks and cases become rates with their bounds, delays, right causes and incidents per fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import beta

from bench.common import Row, single, spread
from bench.monitoring.cases import AT_ONCE, WITHIN_THREE, Outcome

Hits = Sequence[bool]
SUDDEN_NOT = ("gradual_drift",)


@dataclass(frozen=True)
class Quiet:
    """What a side said of one quiet window: `day` is the real one, `p` None where it does not say."""

    world: str
    seed: int
    day: str
    raised: bool
    findings: int
    p: float | None
    seconds: float
    season_known: bool
    unknown: bool = False


def share(what: str, hits: float, n: int, unit: str = "%") -> Row:
    """A share with its exact 95% bounds (Clopper & Pearson 1934); `hits` may be a mean over repetitions."""
    if not n:
        return {"what": what, "value": None, "unit": unit, "low": None, "high": None, "n": 0}
    low = float(beta.ppf(0.025, hits, n - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
    return {"what": what, "value": 100 * hits / n, "unit": unit, "low": 100 * low, "high": 100 * high, "n": n}


def by_day(
    what: str, checks: Iterable[Quiet], hit: Callable[[Quiet], bool] = lambda check: check.raised
) -> Row:
    """The share of quiet checks that raise anything, over independent days: a day that several exchanges put into
    several places counts once, with the mean of what happened."""
    days: dict[tuple[str, str], list[bool]] = {}
    for check in checks:
        days.setdefault((check.world, check.day), []).append(hit(check))
    return share(what, float(sum(np.mean(each) for each in days.values())), len(days))


def quiet_rows(side: str, checks: Sequence[Quiet]) -> list[Row]:
    """T3 of one side: all worlds together and each, known seasons and new ones."""
    rows = [by_day(f"{side}: quiet checks that raise anything", checks)]
    for world in _worlds(checks):
        mine = [c for c in checks if c.world == world]
        rows.append(by_day(f"{side}: {world}, quiet checks that raise anything", mine))
        for known, called in ((True, "season known"), (False, "season new")):
            some = [c for c in mine if c.season_known == known]
            if some:
                rows.append(by_day(f"{side}: {world}, {called}, quiet checks that raise anything", some))
        rows.append(by_day(f"{side}: {world}, quiet checks that cannot be judged", mine, lambda c: c.unknown))
        rows.append(spread(f"{side}: {world}, seconds of a check", [c.seconds for c in mine], "s"))
    return rows


def fault_rows(side: str, outcomes: Sequence[Outcome]) -> list[Row]:
    """T4 of one side."""
    sudden = [o for o in outcomes if o.kind not in SUDDEN_NOT]
    large = [o for o in sudden if o.size != "small"]
    rows = []
    for many, called in ((None, "all"), *((w, w) for w in _worlds(outcomes))):
        some = [o for o in large if many in (None, o.world)]
        rows += _within(f"{side}: {called}, medium and large sudden faults", some)
        known = [o for o in some if o.season_known and not o.unknown]
        rows += _within(f"{side}: {called}, season known and judged, medium and large sudden faults", known)
    for size in ("small", "medium", "large"):
        rows += _within(f"{side}: {size} sudden faults", [o for o in sudden if o.size == size])
    for scope in dict.fromkeys(o.scope for o in outcomes):
        rows += _within(
            f"{side}: {scope}, medium and large sudden faults", [o for o in large if o.scope == scope]
        )
    for kind in dict.fromkeys(o.kind for o in sudden):
        rows += _within(f"{side}: {kind}, medium and large", [o for o in large if o.kind == kind])
    return rows


def outside_rows(side: str, outcomes: Sequence[Outcome]) -> list[Row]:
    """The other half of T3: findings outside the fault, where there is one in some members."""
    some = [o for o in outcomes if o.scope != "fleet"]
    right, wrong = sum(o.inside for o in some), sum(o.outside for o in some)
    each = [bool(o.outside) for o in some]
    rows = [
        share(f"{side}: findings outside the fault", wrong, right + wrong),
        share(f"{side}: faults with any finding outside", sum(each), len(each)),
    ]
    for kind in dict.fromkeys(o.kind for o in some):
        right, wrong = (sum(getattr(o, n) for o in some if o.kind == kind) for n in ("inside", "outside"))
        rows.append(share(f"{side}: {kind}, findings outside the fault", wrong, right + wrong))
    return rows


def _within(what: str, outcomes: Sequence[Outcome]) -> list[Row]:
    """Shares found where there are enough affected rows."""
    at_once = [o for o in outcomes if o.affected >= AT_ONCE]
    three = [o for o in outcomes if WITHIN_THREE <= o.affected < AT_ONCE]
    rows = []
    if at_once:
        rows.append(
            share(f"{what}, one window, {AT_ONCE} rows", sum(o.found == 1 for o in at_once), len(at_once))
        )
    if three:
        found = sum(o.found is not None for o in three)
        rows.append(share(f"{what}, three windows, {WITHIN_THREE} rows", found, len(three)))
    return rows


def drift_rows(side: str, outcomes: Sequence[Outcome], days: Mapping[str, int]) -> list[Row]:
    """Delays in days of gradual drift beside the oracle; `days` of a window by world. What is not found while the drift
    grows counts as its whole length."""
    rows = []
    for world in _worlds(outcomes):
        for size in ("small", "medium", "large"):
            some = [o for o in outcomes if o.world == world and o.size == size and o.kind == "gradual_drift"]
            if not some:
                continue
            what, step, whole = f"{world}, {size} gradual drift", days[world], 28
            ours = [whole if o.found is None else o.found * step for o in some]
            best = [whole if o.oracle is None else o.oracle * step for o in some]
            rows.append(spread(f"{side}: {what}, delay", ours, "days"))
            rows.append(spread(f"oracle: {what}, delay", best, "days"))
            rows.append(
                share(
                    f"{side}: {what}, found within 28 days", sum(o.found is not None for o in some), len(some)
                )
            )
            rows.append(
                share(
                    f"oracle: {what}, found within 28 days",
                    sum(o.oracle is not None for o in some),
                    len(some),
                )
            )
    return rows


def cause_rows(side: str, outcomes: Sequence[Outcome]) -> list[Row]:
    """T5 of one side, over faults that it found."""
    found = [o for o in outcomes if o.found is not None and o.affected >= WITHIN_THREE]
    rows = [
        share(f"{side}: right cause", sum(o.cause in o.causes for o in found), len(found)),
        share(f"{side}: one incident for one fault", sum(o.incidents == 1 for o in found), len(found)),
        single(
            f"{side}: incidents per fault",
            float(np.mean([o.incidents for o in found] or [0])),
            "",
            len(found),
        ),
    ]
    for kind in dict.fromkeys(o.kind for o in found):
        some = [o for o in found if o.kind == kind]
        rows.append(share(f"{side}: {kind}, right cause", sum(o.cause in o.causes for o in some), len(some)))
        rows.append(
            single(
                f"{side}: {kind}, incidents per fault",
                float(np.mean([o.incidents for o in some])),
                "",
                len(some),
            )
        )
    return rows


def cells(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """What became of the faults by world, kind, size and scope: how many there were, how many had rows enough to be
    found, how many of these were found in time, at all, and by their right cause."""
    out = []
    for key in dict.fromkeys((o.world, o.kind, o.size, o.scope) for o in outcomes):
        some = [o for o in outcomes if (o.world, o.kind, o.size, o.scope) == key]
        enough = [o for o in some if o.affected >= WITHIN_THREE]
        out.append(
            {
                **dict(zip(("world", "kind", "size", "scope"), key, strict=True)),
                "faults": len(some),
                "enough": len(enough),
                "in_time": sum(_in_time(o) for o in enough),
                "found": sum(o.found is not None for o in enough),
                "right": sum(o.cause in o.causes for o in enough),
                "outside": sum(o.outside for o in some),
                "inside": sum(o.inside for o in some),
            }
        )
    return out


def missed(outcomes: Sequence[Outcome]) -> list[str]:
    """Every fault that had rows enough and was not found in time, in words."""
    return [_words(o) for o in outcomes if o.affected >= WITHIN_THREE and not _in_time(o)]


def strays(outcomes: Sequence[Outcome]) -> list[str]:
    """Findings outside their fault, in words, at most four of each fault."""
    return [f"{o.world} {o.kind} {o.size} {o.segment}: {each}" for o in outcomes for each in o.elsewhere]


def _words(o: Outcome) -> str:
    what = f"{o.world} {o.kind} {o.size} {o.segment} {' '.join(o.columns)}".strip()
    where = f"{o.affected} rows, window {o.window} of exchange {o.seed}"
    doubts = ["season new"] * (not o.season_known) + ["cannot be judged"] * o.unknown
    return ", ".join([f"{what}: {where}", *doubts, "never" if o.found is None else "late"])


def _in_time(one: Outcome) -> bool:
    if one.kind in SUDDEN_NOT:
        return one.found is not None
    return one.found is not None and (one.found == 1 or one.affected < AT_ONCE)


def _worlds(items: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(item.world for item in items))

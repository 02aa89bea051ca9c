"""What fast parts have still to learn: from data that was ingested, or from answered rows and their outcomes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from jomon.core.calendar import calendar_columns
from jomon.core.errors import BuildError, JomonError, StoreError
from jomon.core.localtime import DAY, LocalTime
from jomon.core.rows import Flags
from jomon.core.rules_serving import columns_to_learn, recorded_columns
from jomon.core.spec import ProjectSpec
from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.oci.errors import OciError
from jomon.project.fleet import Fleet
from jomon.project.home import Home
from jomon.project.operating import traffic_of
from jomon.training.build import days_of
from jomon.training.operate import Traffic

if TYPE_CHECKING:
    from jomon.data.served_rows import Newest, ServedRows

LIVE_DAYS = 1
"""Outcomes that come so many days after they were known, or sooner, are live: the clock tells when their day is over.
Others are played again or sent in after the fact, and a day of theirs is over when one of a later day comes."""
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Lesson:
    """The rows to learn, up to the start of local day `until_day`.

    `heard` is up to when rows and outcomes had come (microseconds since 1970-01-01 UTC; None for gold), `carried` the
    rows whose day was learned before they came (they are learned on the next), `unrecorded` those answered by an
    image whose log lacks what this one learns from.
    """

    traffic: Traffic
    until_day: int
    heard: int | None = None
    carried: int = 0
    unrecorded: int = 0


def from_gold(home: Home, fleet: Fleet, since: int, until: str | None) -> Lesson:
    """The outcomes in gold that became known after local day `since`, all or up to `until`."""
    from jomon.data.gold import read_gold

    spec = fleet.runtime.spec
    known_after = round(spec.data.target.known_after.total_seconds() * 1e6)
    first = fleet.runtime.context.local.day_start(since - 1) - known_after
    gold = read_gold(home.tables, spec, since=first)
    traffic = traffic_of(fleet.runtime, gold)
    known = ~np.isnan(traffic.y)
    latest = int(traffic.learn_day[known].max()) if known.any() else since
    until_day = max(latest if until is None else parse_day(until), since)
    return Lesson(
        traffic.take(known & (traffic.learn_day > since) & (traffic.learn_day <= until_day)), until_day
    )


def from_served(home: Home, fleet: Fleet, since: int, until: str | None, now_us: int) -> Lesson | None:
    """The outcomes of answered rows that are known and were not learned, of days that are over; None where there are
    none.

    `now_us` is the time now. Raises `BuildError` where the log hides what is to be learned, and `JomonError` for a day
    `until` that is not over.
    """
    from jomon.data.served_rows import newest_outcome, served_rows

    runtime = fleet.runtime
    spec, local = runtime.spec, runtime.context.local
    _require_recorded(spec)
    told = fleet.manifest.annotations.get(media.HEARD)
    heard = None if told is None else int(told)
    start = local.day_start(since)
    # A day earlier, since clocks of those who report may be ahead of ours.
    reach = min(start, start if heard is None else heard) - DAY
    newest = newest_outcome(home.tables, fleet.name, reach)
    if newest is None:
        return None
    until_day = _until(newest, until, now_us, local)
    if until_day <= since:
        return None
    rows = served_rows(
        home.tables,
        fleet.name,
        spec,
        runtime.context,
        heard_since=reach,
        since=start,
        known_before=local.day_start(until_day),
    )
    if rows is None:
        return None
    return _lesson(home, fleet, rows, since, until_day, heard)


def _lesson(
    home: Home, fleet: Fleet, rows: ServedRows, since: int, until_day: int, heard: int | None
) -> Lesson:
    """The rows that are due by `until_day`. What is due by `since` was learned, unless it came after `heard`."""
    due = days_of(rows.gold, fleet.runtime.context.local)[1]
    by_now = due <= until_day
    late = (due <= since) & (rows.heard > heard if heard is not None else np.zeros(len(rows), np.bool_))
    recorded = _recorded(home, fleet, rows)
    to_learn = by_now & ((due > since) | late)
    traffic = traffic_of(fleet.runtime, rows.gold.take(to_learn & recorded))
    seen = int(rows.heard[by_now].max(initial=heard or 0))
    return Lesson(
        replace(traffic, learn_day=np.maximum(traffic.learn_day, np.int32(since + 1))),
        until_day,
        seen or None,
        int((late & recorded).sum()),
        int((to_learn & ~recorded).sum()),
    )


def _until(newest: Newest, until: str | None, now_us: int, local: LocalTime) -> int:
    """The local day up to whose start all that became known has come, or `until`, which must not be later."""
    known, received, now = (
        int(day) for day in local.days(np.array([newest.known_us, newest.received_us, now_us], np.int64))
    )
    if until is not None:
        asked = parse_day(until)
        if asked > max(known, now):
            raise JomonError(
                f"--until {until} has not begun, and outcomes may still become known before it: give an earlier day."
            )
        return asked
    over = now > known and (now > received or received - known <= LIVE_DAYS)
    return known + 1 if over else known


def _require_recorded(spec: ProjectSpec) -> None:
    hidden = [name for name in columns_to_learn(spec) if name in spec.serving.log.hidden]
    if hidden:
        raise BuildError(
            f"The fast parts of {spec.fleet} cannot learn from answered rows, because the log hides {hidden[0]!r}: "
            "refresh from gold, or record that column (serving.log) and build."
        )


def _recorded(home: Home, fleet: Fleet, rows: ServedRows) -> Flags:
    """Which rows were answered by an image that recorded what this one learns from (bool, n).

    Those of images that are gone from the store are taken at their word.
    """
    needed = _needed(fleet.runtime.spec)
    own = fleet.manifest.layer(media.FLEET).digest
    answers = {image: _records(home, image, own, needed) for image in rows.images.unique().to_list()}
    return np.array([answers[image] for image in rows.images.to_list()], np.bool_)


def _needed(spec: ProjectSpec) -> frozenset[str]:
    return frozenset((*columns_to_learn(spec), *calendar_columns(spec.data.features.calendar)))


def _records(home: Home, image: str, own: Digest, needed: frozenset[str]) -> bool:
    try:
        layer = home.images.manifest(Digest.parse(image)).layer(media.FLEET)
        if layer.digest == own:
            return True
        spec = ProjectSpec.from_canonical(json.loads(home.images.read_blob(layer))["spec"])
    except (StoreError, OciError, ValueError, KeyError):
        return True
    shown = set(recorded_columns(spec)) - set(spec.serving.log.hidden)
    return needed <= {*shown, *calendar_columns(spec.data.features.calendar)}


def parse_day(text: str) -> int:
    """A local day as days since 1970-01-01; raises `JomonError` for anything else."""
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise JomonError(f"--until {text!r} is not a day; write it as 2013-10-31.") from None

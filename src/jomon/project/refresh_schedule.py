"""Refreshing on a declared schedule: what a mover asks after every pass, and what costs next to nothing to ask."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from jomon.core.errors import UnknownNameError
from jomon.core.localtime import LocalTime
from jomon.core.spec import ProjectSpec
from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.project.home import Home

if TYPE_CHECKING:
    from jomon.project.refreshing import RefreshReport


@dataclass
class RefreshState:
    """What the schedule of one reference remembers between two questions; start with an empty one.

    `next_us` is when it is worth asking again (microseconds since 1970-01-01 UTC), `image` what the reference meant,
    `every` its declared interval (None: off, or nothing to refresh), `zone` its time zone, `day` the local day up to
    which its fast parts have learned.
    """

    next_us: int = 0
    image: Digest | None = None
    every: timedelta | None = None
    zone: str = "UTC"
    day: int = 0


def refresh_if_due(home: Home, reference: str, now_us: int, state: RefreshState) -> RefreshReport | None:
    """Refresh `reference` from answered rows if `serving.refresh` of its image says that it is time to.

    Nothing is read but the names of the store before the interval is over, and no table before a local day is over
    that was not learned. Gives a report where something was learned, or a day was passed; None otherwise. Raises what
    `refresh` raises; the next try is an interval later.
    """
    if now_us < state.next_us and state.image is not None:
        return None
    try:
        digest = home.images.resolve(reference)
    except UnknownNameError:
        return None
    if digest != state.image:
        _read(home, digest, state)
    if state.every is None:
        state.next_us = now_us + _LOOK_AGAIN
        return None
    state.next_us = now_us + round(state.every.total_seconds() * 1e6)
    if int(LocalTime(state.zone).days(np.array([now_us], np.int64))[0]) <= state.day:
        return None
    from jomon.project.refreshing import refresh

    report = refresh(home, reference, None, "predictions", now_us)
    _read(home, report.digest, state)
    return report if report.digest != report.before else None


_LOOK_AGAIN = 60_000_000
"""Microseconds until an image without a schedule is looked at again: the name may mean another by then."""


def _read(home: Home, digest: Digest, state: RefreshState) -> None:
    """What an image says of its schedule: two small documents of it are read."""
    from jomon.engine.fasttable import read_fast

    store = home.images
    manifest = store.manifest(digest)
    spec = ProjectSpec.from_canonical(json.loads(store.read_blob(manifest.layer(media.FLEET)))["spec"])
    days = [int(fast.meta["day"]) for fast in read_fast(store.read_blob(manifest.layer(media.FAST))) if fast]
    every = spec.serving.refresh
    state.image, state.zone, state.day = digest, spec.data.zone, min(days, default=0)
    state.every = None if every == "off" or not days else every

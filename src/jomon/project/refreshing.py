"""Refresh: the fast parts of an image brought up to the outcomes known, as a new image that shares every other
layer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jomon.core.errors import BuildError, MovedError
from jomon.engine.fasttable import write_fast
from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.oci.ports import NewBlob
from jomon.project.fleet import Fleet
from jomon.project.home import Home
from jomon.project.lessons import Lesson, from_gold, from_served
from jomon.project.opened import day_text, require_gold
from jomon.project.operating import in_canonical_order
from jomon.stats.links import Link
from jomon.training.operate import operate

if TYPE_CHECKING:
    from jomon.project.opened import OpenProject

Source = Literal["gold", "predictions"]
TRIES = 5
"""A name that moves more often than this while it is refreshed is left to whoever moves it."""


@dataclass(frozen=True)
class RefreshReport:
    """What a refresh did: images before and after, where from it learned, the days moved, outcomes learned, segments
    moved and new, bytes written.

    Of answered rows (`source` predictions): `carried`, outcomes whose day had been learned before they came, and
    `unrecorded`, those left out because the image that answered did not record what this one learns from.
    """

    before: Digest
    digest: Digest
    name: str
    source: Source
    since: str
    until: str
    outcomes: int
    carried: int
    unrecorded: int
    segments: int
    born: int
    written_bytes: int
    shared_bytes: int
    seconds: float

    def document(self) -> dict[str, Any]:
        """The JSON of `jomon refresh --json`."""
        out = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            **out,
            "before": str(self.before),
            "digest": str(self.digest),
            "seconds": round(self.seconds, 4),
        }


def refresh(
    place: OpenProject | Home,
    reference: str,
    until: str | None = None,
    source: Source = "gold",
    now_us: int | None = None,
) -> RefreshReport:
    """Bring the fast parts of an image up to the outcomes known, from gold or from answered rows (`predictions`).

    `place` is a project or, since all that is needed is in the image, a home alone. A `reference` that is a name moves
    to the new image, but only if it means the one that was refreshed still: where somebody else moved it meanwhile,
    the refresh starts again from what it means then. `until` is a local day (2013-10-31; None: all that is known, of
    days that are over where the rows come from the server), `now_us` the time now (microseconds since 1970-01-01 UTC).
    """
    home = place if isinstance(place, Home) else place.home
    if source == "gold" and not isinstance(place, Home):
        require_gold(place)
    now = time.time_ns() // 1000 if now_us is None else now_us
    for attempt in range(TRIES):
        try:
            return _refresh(home, reference, until, source, now)
        except MovedError:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _refresh(home: Home, reference: str, until: str | None, source: Source, now_us: int) -> RefreshReport:
    started = time.perf_counter()
    store = home.images
    name = store.catalog().name_of(reference, strict=False)
    fleet = Fleet.load(home, store.resolve(reference))
    states = fleet.fast
    if all(state is None for state in states):
        raise BuildError(
            f"{reference} has no fast parts to refresh; declare `fast: true` for a stage and build."
        )
    since = min(int(state.meta["day"]) for state in states if state is not None)
    if source == "gold":
        lesson: Lesson | None = from_gold(home, fleet, since, until)
    else:
        lesson = from_served(home, fleet, since, until, now_us)
    if lesson is None:
        moved, digest, written = states, fleet.digest, 0
    else:
        spec = fleet.runtime.spec
        learned = in_canonical_order(lesson.traffic)
        _, moved = operate(Link(spec.data.target.kind), spec.relation, learned, states, lesson.until_day)
        digest, written = _store(home, fleet, moved, lesson.heard, name)
    sizes = [
        (len(s), 0 if o is None else len(o)) for s, o in zip(moved, states, strict=True) if s is not None
    ]
    shared = sum(layer.size for layer in fleet.manifest.layers if layer.media_type != media.FAST)
    return RefreshReport(
        fleet.digest,
        digest,
        reference,
        source,
        day_text(since),
        day_text(since if lesson is None else lesson.until_day),
        0 if lesson is None else len(lesson.traffic.y),
        0 if lesson is None else lesson.carried,
        0 if lesson is None else lesson.unrecorded,
        sum(n for n, _ in sizes),
        sum(n - o for n, o in sizes),
        written,
        shared,
        time.perf_counter() - started,
    )


def _store(home: Home, fleet: Fleet, moved: Any, heard: int | None, name: str) -> tuple[Digest, int]:
    """Store the image with new fast parts under `name` ("": none), if that means the old one still."""
    store, manifest = home.images, fleet.manifest
    old = manifest.layer(media.FAST)
    with store.lease():
        blob = store.put_blobs([NewBlob(write_fast(moved), media.FAST, dict(old.annotations))])[0]
        config = store.read_blob(manifest.config)
        changed = config.replace(str(old.digest).encode(), str(blob.digest).encode())
        new = manifest.with_layer_replaced(old.digest, blob) if blob.digest != old.digest else manifest
        new = new.with_config(store.put_blob(changed, media.MODEL_CONFIG))
        members = sum(len(codes) for codes in _member_codes(fleet, moved))
        new = new.without_annotations(media.HEARD).with_annotations({media.MEMBER_COUNT: str(members)})
        if heard is not None:
            new = new.with_annotations({media.HEARD: str(heard)})
        digest = store.put_manifest(
            new, [name] if name else [], datetime.now(UTC), moved_from=fleet.digest if name else None
        )
    return digest, blob.size + len(changed) + len(new.bytes)


def _member_codes(fleet: Fleet, moved: Any) -> list[Any]:
    return [
        np.unique(np.concatenate([slow, state.codes if state is not None else slow[:0]]))
        for slow, state in zip(fleet.runtime.slow_codes, moved, strict=True)
    ]

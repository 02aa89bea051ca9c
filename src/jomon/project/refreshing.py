"""Refresh: the fast parts of an image brought up to the outcomes known, as a new image that shares every other
layer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from jomon.core.errors import BuildError, JomonError
from jomon.engine.fasttable import write_fast
from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.oci.ports import NewBlob
from jomon.project.fleet import Fleet
from jomon.project.opened import day_text, require_gold
from jomon.project.operating import traffic_of
from jomon.stats.links import Link
from jomon.training.operate import operate

if TYPE_CHECKING:
    from jomon.project.opened import OpenProject

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class RefreshReport:
    """What a refresh did: images before and after, the days moved, outcomes learned, segments moved and new,
    bytes written."""

    before: Digest
    digest: Digest
    name: str
    since: str
    until: str
    outcomes: int
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


def refresh(project: OpenProject, reference: str, until: str | None) -> RefreshReport:
    """See `Project.refresh`; the tag `reference` moves to the new image."""
    started = time.perf_counter()
    require_gold(project)
    fleet = Fleet.load(project.home, reference)
    states = fleet.fast
    if all(state is None for state in states):
        raise BuildError(
            f"{reference} has no fast parts to refresh; declare `fast: true` for a stage and build."
        )
    since = min(int(state.meta["day"]) for state in states if state is not None)
    from jomon.data.gold import read_gold

    spec = fleet.runtime.spec
    known_after = round(spec.data.target.known_after.total_seconds() * 1e6)
    local = fleet.runtime.context.local
    first = local.day_start(since - 1) - known_after
    gold = read_gold(project.home.tables, spec, since=first)
    traffic = traffic_of(fleet.runtime, gold)
    known = ~np.isnan(traffic.y)
    latest = int(traffic.learn_day[known].max()) if known.any() else since
    until_day = latest if until is None else _day(until)
    until_day = max(min(until_day, latest) if until is None else until_day, since)
    learned = traffic.take(known & (traffic.learn_day > since) & (traffic.learn_day <= until_day))
    _, moved = operate(Link(spec.data.target.kind), spec.relation, learned, states, until_day)
    data = write_fast(moved)
    store = project.home.images
    manifest = fleet.manifest
    with store.lease():
        old = manifest.layer(media.FAST)
        blob = store.put_blobs([NewBlob(data, media.FAST, dict(old.annotations))])[0]
        config = store.read_blob(manifest.config)
        changed = config.replace(str(old.digest).encode(), str(blob.digest).encode())
        new = manifest.with_layer_replaced(old.digest, blob) if blob.digest != old.digest else manifest
        new = new.with_config(store.put_blob(changed, media.MODEL_CONFIG))
        members = sum(len(codes) for codes in _member_codes(fleet, moved))
        new = new.with_annotations({media.MEMBER_COUNT: str(members)})
        digest = store.put_manifest(
            new, [reference] if ":" in reference and "@" not in reference else [], datetime.now(UTC)
        )
    sizes = [
        (len(s), 0 if o is None else len(o)) for s, o in zip(moved, states, strict=True) if s is not None
    ]
    return RefreshReport(
        fleet.digest,
        digest,
        reference,
        day_text(since),
        day_text(until_day),
        len(learned.y),
        sum(n for n, _ in sizes),
        sum(n - o for n, o in sizes),
        blob.size + len(changed) + len(new.bytes),
        sum(layer.size for layer in manifest.layers) - old.size,
        time.perf_counter() - started,
    )


def _member_codes(fleet: Fleet, moved: Any) -> list[Any]:
    return [
        np.unique(np.concatenate([slow, state.codes if state is not None else slow[:0]]))
        for slow, state in zip(fleet.runtime.slow_codes, moved, strict=True)
    ]


def _day(text: str) -> int:
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise JomonError(f"--until {text!r} is not a day; write it as 2013-10-31.") from None

"""Verify that lineage is the address: fit a sample of an image's members again and compare bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jomon.core.errors import BuildError
from jomon.oci.digest import Digest
from jomon.oci.ports import BuildCachePort, CacheItem, CacheRead
from jomon.project.fleet import Fleet
from jomon.project.members import iter_members
from jomon.project.opened import require_gold
from jomon.training.worker import SlowFit

if TYPE_CHECKING:
    from jomon.project.opened import OpenProject


@dataclass(frozen=True)
class RefitReport:
    """Members fitted again: those that gave the same bytes, those that did not, and those whose key could not be made
    again because their rows, code or libraries are no longer the same.
    """

    reference: str
    same: tuple[str, ...]
    different: tuple[str, ...]
    gone: tuple[str, ...]
    fitted: int = field(default=0)

    @property
    def holds(self) -> bool:
        """Whether every member that could be fitted again gave the same bytes, and at least one could."""
        return not self.different and bool(self.same)

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "reference": self.reference,
            "same": list(self.same),
            "different": list(self.different),
            "gone": list(self.gone),
            "holds": self.holds,
        }


class _Forgetful:
    """A cache that does not know some keys, and remembers what is fitted under them."""

    def __init__(self, inner: BuildCachePort, forgotten: Iterable[Digest]) -> None:
        self._inner, self._forgotten = inner, frozenset(forgotten)
        self.fitted: dict[Digest, bytes] = {}

    def get_many(self, keys: Iterable[Digest]) -> CacheRead:
        return self._inner.get_many([key for key in keys if key not in self._forgotten])

    def has_many(self, keys: Iterable[Digest]) -> frozenset[Digest]:
        return self._inner.has_many([key for key in keys if key not in self._forgotten])

    def put_many(self, items: Iterable[CacheItem]) -> None:
        items = list(items)
        self.fitted |= {item.key: item.payload for item in items if item.key in self._forgotten}
        self._inner.put_many([item for item in items if item.key not in self._forgotten])

    def plan(self, build_key: Digest) -> Digest | None:
        return None

    def put_plan(self, build_key: Digest, image: Digest) -> None:
        return

    def size_bytes(self) -> int:
        return self._inner.size_bytes()

    def prune(self, max_bytes: int) -> int:
        return 0


def refit(project: OpenProject, reference: str, count: int, seed: int = 0) -> RefitReport:
    """Fit `count` members of the image again (all if it has fewer) and compare them with what the image holds."""
    from jomon.data.gold import read_gold
    from jomon.training.build import BuildRequest, build_fleet

    if count < 1:
        raise BuildError("--refit needs a number of members above zero.")
    require_gold(project)
    fleet = Fleet.load(project.home, reference)
    runtime = fleet.runtime
    held = {
        Digest.parse(key): (pack, place, segment)
        for packs in runtime.packs
        for pack in packs
        for place, (key, segment) in enumerate(zip(pack.keys, pack.segments, strict=True))
    }
    stages = {m["key"]: s for s, _, m in iter_members(runtime.members) if m.get("key")}
    if not held:
        raise BuildError(f"{reference} has no packed members; there is nothing to fit again.")
    keys = sorted(held)
    rng = np.random.default_rng(seed)
    sample = [keys[i] for i in rng.choice(len(keys), min(count, len(keys)), replace=False)]
    cache = _Forgetful(project.home.cache, sample)
    gold = read_gold(project.home.tables, runtime.spec)
    build_fleet(BuildRequest(runtime.spec, gold, runtime.end_day, str(project.folder)), cache)
    same: list[str] = []
    different: list[str] = []
    gone: list[str] = []
    for key in sample:
        pack, place, segment = held[key]
        label = f"{segment} (stage {stages.get(str(key), '?')})"
        payload = cache.fitted.get(key)
        if payload is None:
            gone.append(label)
            continue
        entry = pack.entry(place).arrays
        again = SlowFit.from_bytes(payload).arrays().with_shrink(entry.shrink)
        (same if again.same(entry) else different).append(label)
    return RefitReport(reference, tuple(same), tuple(different), tuple(gone), len(cache.fitted))

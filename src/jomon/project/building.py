"""Build: from gold to an image, or straight to the image that the same inputs gave before."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jomon.core.errors import BuildError, UnknownNameError
from jomon.core.localtime import LocalTime
from jomon.core.spec import ProjectSpec
from jomon.oci.digest import Digest
from jomon.oci.ports import CacheRead
from jomon.project.build_report import (
    BuildReport,
    count_members,
    known_report,
    stage_summary,
    untrusted_types_of,
)
from jomon.project.opened import OpenProject, day_text, require_gold
from jomon.training.lineage import code_digest, environment, package_digest

if TYPE_CHECKING:
    from jomon.core.rows import GoldRows
    from jomon.oci.ports import BuildCachePort, CacheItem
    from jomon.training.stage import Progress

_LIBRARIES = ("lightgbm", "numpy", "numba", "scipy", "holidays", "scikit-learn", "safetensors", "tzdata")
# The rooms whose code decides what a build gives.
_ROOMS = ("core", "stats", "oci", "engine", "data", "training", "project")


def build(
    project: OpenProject,
    names: tuple[str, ...],
    refresh: str,
    progress: Progress | None,
    workers: int | None,
    use_cache: bool,
) -> BuildReport:
    """See `Project.build`."""
    started = time.perf_counter()
    gold_digest = require_gold(project)
    store = project.home.images
    cache: BuildCachePort = project.home.cache
    base = base_image(project, refresh)
    key = build_key(project, gold_digest, refresh, base)
    known = cache.plan(key) if use_cache else None
    if known is not None and _whole(project, known):
        for name in names:
            store.tag(known, name)
        return known_report(project, known, names, started)
    if refresh == "fast":
        raise BuildError("A build of fast parts alone is `jomon refresh`; run that.")
    from jomon.training.executors import start_early

    start_early("lightgbm" if any(s.estimator == "lightgbm" for s in project.spec.stages) else None)
    from jomon.data.gold import read_gold, require_outcomes
    from jomon.project.referencing import reference_layer
    from jomon.training.build import BuildRequest, build_fleet
    from jomon.training.image import publish

    gold = read_gold(project.home.tables, project.spec)
    require_outcomes(gold, project.spec)
    end_day = hold_out_day(project.spec, gold)
    read = time.perf_counter()
    request = BuildRequest(project.spec, gold, end_day, str(project.folder), workers)
    if base is not None:
        from jomon.project.pinning import pin

        request = pin(project, request, base, refresh)
    if not use_cache:
        cache = WriteOnly(cache)
    with store.lease():
        built = build_fleet(request, cache, progress)
        fitted = time.perf_counter()
        digest, manifest = publish(
            built,
            store,
            names,
            datetime.now(UTC),
            str(built.learned),
            lambda unfinished: reference_layer(project.home, unfinished, project.spec, gold, end_day),
        )
    project.home.cache.put_plan(key, digest)
    seconds = {
        "read": read - started,
        **built.seconds,
        "publish": time.perf_counter() - fitted,
        "total": time.perf_counter() - started,
    }
    stages = [stage_summary(stage) for stage in built.stages]
    failures = [
        {"segment": c.segment.text, "error": c.fit.error}
        for stage in built.stages
        for c in stage.candidates
        if c.failed and c.fit is not None
    ]
    return BuildReport(
        digest,
        names,
        count_members(stages),
        manifest.size_bytes,
        seconds,
        stages,
        False,
        len(manifest.layers),
        built.rows,
        day_text(end_day),
        failures,
        untrusted_types_of(project, built.stages),
    )


def hold_out_day(spec: ProjectSpec, gold: GoldRows) -> int:
    """The first held-out local day (days since 1970): the last span of the data, or the declared day."""
    holdout = spec.evaluation.holdout
    if isinstance(holdout, date):
        return (holdout - date(1970, 1, 1)).days
    last = int(LocalTime(spec.data.zone).days(gold.time[-1:])[0])
    return last + 1 - round(holdout / timedelta(days=1))


def base_image(project: OpenProject, refresh: str) -> Digest | None:
    """The image that a partial build starts from: `FLEET:latest`; None where everything is built."""
    if refresh == "all":
        return None
    try:
        return project.home.images.resolve(project.latest)
    except UnknownNameError:
        raise BuildError(
            f"--refresh {refresh} needs an image to start from and {project.latest} is not there; "
            "run `jomon build` first."
        ) from None


def build_key(project: OpenProject, gold: Digest, refresh: str, base: Digest | None) -> Digest:
    """The digest of everything a build depends on: equal keys give the same image."""
    code = [code_digest(s.estimator, str(project.folder)) for s in project.spec.stages if ":" in s.estimator]
    return Digest.of_json(
        {
            "gold": str(gold),
            "spec": {k: v for k, v in project.spec.canonical().items() if k != "evaluation"}
            | {"holdout": project.spec.canonical()["evaluation"]["holdout"]},
            "package": package_digest(*_ROOMS),
            "code": code,
            "environment": environment(_LIBRARIES),
            "refresh": refresh,
            "base": str(base) if base else None,
        }
    )


def _whole(project: OpenProject, digest: Digest) -> bool:
    """Whether an image is there with every blob."""
    try:
        manifest = project.home.images.manifest(digest)
    except Exception:
        return False
    return all(project.home.images.has_blob(blob.digest) for blob in manifest.blobs)


class WriteOnly:
    """A build cache that finds nothing: everything is fitted, and kept for the builds to come."""

    def __init__(self, inner: BuildCachePort) -> None:
        self._inner = inner

    def get_many(self, keys: Iterable[Digest]) -> CacheRead:
        """Nothing."""
        return CacheRead({})

    def put_many(self, items: Iterable[CacheItem]) -> None:
        """Passed on."""
        self._inner.put_many(items)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

"""Partial builds: what is not named keeps its key, its bytes and its margins; what cannot be kept is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from jomon.core.errors import BuildError, CorruptError, JomonError
from jomon.oci import media
from jomon.project import Project, open_project
from jomon.project.verifying import refit

Keys = Callable[..., dict[tuple[int, str], str | None]]


def later(project: Project, shops: Any, **more: Any) -> Project:
    """The same project with a shorter hold-out."""
    spec = shops.spec(**more)
    spec["evaluation"]["holdout"] = "8d"
    opened: Project = shops.write(project.folder, spec)
    return opened


@pytest.mark.parametrize(
    "refresh",
    [
        "stale",
        "stage=0",
        "stage=1",
        "stage=2",
        "stage=region",
        "member=region=r3",
        "member=region=r1 channel=web",
        "member=(all)",
    ],
)
def test_nothing_changed_gives_the_same_digest_whatever_is_named(shop: Project, refresh: str) -> None:
    before = shop.home.images.resolve(shop.latest)
    report = shop.build(refresh=refresh)
    assert report.digest == before


def test_a_named_member_alone_changes_when_the_hold_out_moved(
    shop: Project, shops: Any, keys_of: Keys
) -> None:
    before = keys_of(shop)
    report = later(shop, shops).build(refresh="member=region=r3")
    after = keys_of(shop)
    assert [where for where in before if before[where] != after[where]] == [(1, "region=r3")]
    assert report.members["trained"] == 1
    assert report.members["serving"] == 25


def test_a_named_stage_alone_changes_when_the_hold_out_moved(
    shop: Project, shops: Any, keys_of: Keys
) -> None:
    before = keys_of(shop)
    report = later(shop, shops).build(refresh="stage=1")
    after = keys_of(shop)
    assert {where for where in before if before[where] != after[where]} == {w for w in before if w[0] == 1}
    assert report.members["trained"] == 8


def test_a_refitted_root_leaves_the_members_above_it_as_they_were(
    shop: Project, shops: Any, keys_of: Keys
) -> None:
    before = keys_of(shop)
    report = later(shop, shops).build(refresh="stage=0")
    after = keys_of(shop)
    assert [where for where in before if before[where] != after[where]] == [(0, "(all)")] or [
        where for where in before if before[where] != after[where]
    ] == [(0, "")]
    assert report.members["trained"] == 1


def test_one_named_member_rewrites_one_pack(shop: Project, shops: Any) -> None:
    store = shop.home.images
    before = {x.digest for x in store.manifest(store.resolve(shop.latest)).layers_of(media.MODEL_WEIGHT_RAW)}
    report = later(shop, shops).build(refresh="member=region=r3")
    after = {x.digest for x in store.manifest(report.digest).layers_of(media.MODEL_WEIGHT_RAW)}
    assert len(after - before) == 1


def test_pinned_members_answer_as_they_did(shop: Project, shops: Any) -> None:
    rows = shops.rows().tail(400)
    old = shop.load().answer(rows, explain=True).scores.slow
    later(shop, shops).build(refresh="member=region=r3")
    new = shop.load().answer(rows, explain=True).scores.slow
    here = (rows["region"] == "r3").to_numpy()
    np.testing.assert_array_equal(old[:, 0], new[:, 0])
    np.testing.assert_array_equal(old[~here, 1], new[~here, 1])
    assert not np.array_equal(old[here, 1], new[here, 1])


def test_a_partial_build_can_be_built_upon(shop: Project, shops: Any, keys_of: Keys) -> None:
    moved = later(shop, shops)
    moved.build(refresh="member=region=r3")
    before = keys_of(shop)
    report = open_project(shop.folder).build(refresh="member=region=r4")
    after = keys_of(shop)
    assert [where for where in before if before[where] != after[where]] == [(1, "region=r4")]
    assert report.members["failed"] == 0


def test_changed_rows_of_a_pinned_member_are_told_and_stale_fits_it_again(
    shop: Project, shops: Any, keys_of: Keys
) -> None:
    before = keys_of(shop)
    rows = shops.rows()
    at = rows.filter((pl.col("region") == "r5") & (pl.col("ordered") > pl.datetime(2024, 2, 5)))["id"][0]
    changed = rows.with_columns(x=pl.when(pl.col("id") == at).then(pl.col("x") + 1e-9).otherwise("x"))
    changed.write_parquet(shop.folder / "rows.parquet")
    shop.ingest(fresh=True)
    with pytest.raises(BuildError, match="have changed since; build with --refresh stale or --refresh all"):
        open_project(shop.folder).build(refresh="member=region=r3")
    open_project(shop.folder).build(refresh="stale")
    after = keys_of(shop)
    moved = {where for where in before if before[where] != after[where]}
    assert (1, "region=r5") in moved
    assert moved <= {(0, ""), (0, "(all)"), (1, "region=r5")}


def test_a_build_cache_that_forgot_a_pinned_member_is_told(shop: Project, shops: Any) -> None:
    shutil.rmtree(shop.folder / ".jomon" / "cache")
    with pytest.raises(BuildError, match=r"no longer in the build cache.* build with --refresh all"):
        later(shop, shops).build(refresh="member=region=r3")


@pytest.mark.parametrize(
    ("refresh", "said"),
    [
        ("member=region=r33", "no member 'region=r33': did you mean 'region=r3'"),
        ("member=depot=x", "No stage has members like 'depot=x'"),
        ("stage=7", "There is no stage '7'; the stages are 0 to 2"),
        ("everything", "--refresh 'everything' is not known; write all, stale, stage=N"),
        ("fast", "is `jomon refresh`"),
        ("member=", "--refresh 'member=' is not known"),
    ],
)
def test_what_cannot_be_refreshed_is_told(shop: Project, refresh: str, said: str) -> None:
    with pytest.raises(JomonError, match=said) as raised:
        shop.build(refresh=refresh)
    assert "\n" not in str(raised.value)


def test_a_partial_build_needs_an_image(workshop: Any) -> None:
    project = workshop.make("shop", workshop.rows(), workshop.spec())
    project.ingest()
    with pytest.raises(BuildError, match="needs an image to start from and shop:latest is not there"):
        project.build(refresh="stage=1")


@pytest.mark.parametrize("what", ["features", "stages", "relation", "target"])
def test_a_project_of_another_shape_cannot_be_refreshed_in_part(shop: Project, shops: Any, what: str) -> None:
    spec = shops.spec()
    if what == "features":
        spec["data"]["features"]["numeric"] = ["x"]
    elif what == "stages":
        spec["stages"] = spec["stages"][:2]
    elif what == "relation":
        spec["stages"], spec["relation"] = spec["stages"][:2], "replace"
    else:
        spec["data"]["target"]["known_after"] = "24h"
    changed = shops.write(shop.folder, spec)
    changed.ingest()
    said = "The (features|stages|relation|target) have changed since .* build with --refresh all"
    with pytest.raises(BuildError, match=said):
        changed.build(refresh="stage=1")


def test_an_earlier_hold_out_cannot_be_refreshed_in_part(shop: Project, shops: Any) -> None:
    spec = shops.spec()
    spec["evaluation"]["holdout"] = "20d"
    with pytest.raises(BuildError, match=r"trained until 2024-02-16 .* build with --refresh all"):
        shops.write(shop.folder, spec).build(refresh="stage=1")


def test_opaque_members_stay_when_the_hold_out_moves(workshop: Any, keys_of: Keys, needs: Any) -> None:
    needs.package("skops")
    stages = [
        {"level": [], "estimator": "baseline"},
        {"level": ["channel"], "estimator": "own:make", "min_rows": 50, "keep": "always", "features": ["x"]},
    ]
    spec = workshop.spec(stages=stages)
    project = workshop.make("shop", workshop.rows(), spec)
    (project.folder / "own.py").write_text(
        "from sklearn.linear_model import Ridge\n\n\ndef make():\n    return Ridge()\n"
    )
    project.ingest()
    project.build()
    before = keys_of(project)
    old = project.load().answer(workshop.rows().tail(50), explain=True).scores.slow[:, 1]
    spec["evaluation"]["holdout"] = "8d"
    workshop.write(project.folder, spec).build(refresh="stage=0")
    after = keys_of(project)
    assert {w for w in before if before[w] != after[w]} == {w for w in before if w[0] == 0}
    np.testing.assert_array_equal(
        old, project.load().answer(workshop.rows().tail(50), explain=True).scores.slow[:, 1]
    )


def test_members_that_failed_stay_failed_with_their_reason(workshop: Any, needs: Any) -> None:
    needs.package("skops")
    stages = [
        {"level": [], "estimator": "baseline"},
        {"level": ["channel"], "estimator": "own:make", "min_rows": 50, "keep": "always"},
    ]
    project = workshop.make("shop", workshop.rows(), workshop.spec(stages=stages))
    (project.folder / "own.py").write_text("def make():\n    raise ValueError('never')\n")
    project.ingest()
    whole = project.build()
    part = project.build(refresh="stage=0")
    assert part.digest == whole.digest
    assert part.failures == whole.failures
    assert len(whole.failures) == 2


def test_members_fitted_again_give_the_bytes_that_the_image_holds(built: Project) -> None:
    report = refit(open_project(built.folder), built.latest, 100)
    assert report.holds
    assert len(report.same) == 9
    assert report.different == report.gone == ()


def test_members_whose_rows_have_changed_are_gone(shop: Project, shops: Any) -> None:
    rows = shops.rows().with_columns(x=pl.when(pl.col("region") == "r5").then(-pl.col("x")).otherwise("x"))
    rows.write_parquet(shop.folder / "rows.parquet")
    shop.ingest(fresh=True)
    report = refit(open_project(shop.folder), shop.latest, 100)
    assert "region=r5 (stage 1)" in report.gone
    assert not report.different


def test_members_of_a_partial_build_are_fitted_again_too(shop: Project, shops: Any) -> None:
    later(shop, shops).build(refresh="member=region=r3")
    report = refit(open_project(shop.folder), shop.latest, 100)
    assert not report.different
    assert "region=r3 (stage 1)" in report.same + report.gone


def test_a_pack_that_was_tampered_with_is_found(shop: Project) -> None:
    store = shop.home.images
    layer = store.manifest(store.resolve(shop.latest)).layers_of(media.MODEL_WEIGHT_RAW)[0]
    path = next(p for p in store.root.rglob(layer.digest.hex) if p.is_file())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    fresh = open_project(shop.folder)
    assert not fresh.home.images.verify().whole
    with pytest.raises(CorruptError):
        fresh.load().predict({"id": [1]})

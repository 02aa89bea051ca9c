"""The trust list says which types may be loaded, who said so and when; nothing is trusted by mistake."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jomon.core.errors import CorruptError, StoreError, UnknownNameError
from jomon.oci.errors import OciError
from jomon.store.layout import ImageStore
from jomon.store.trust import FORMAT, TrustEntry, TrustList

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FOREST = "sklearn.ensemble.RandomForestRegressor"


@pytest.fixture
def trust(tmp_path: Path) -> TrustList:
    return TrustList(ImageStore.create(tmp_path / "store").root)


def test_nothing_is_trusted_at_first(trust: TrustList) -> None:
    assert trust.trusted() == frozenset()
    assert trust.entries() == ()


def test_a_type_is_trusted_with_who_and_when(trust: TrustList) -> None:
    new = trust.add([FOREST], "ana", NOW)
    assert new == trust.entries() == (TrustEntry(FOREST, "ana", NOW),)
    assert trust.trusted() == {FOREST}
    assert new[0].document() == {"type": FOREST, "added_by": "ana", "added": "2026-03-01T00:00:00Z"}


def test_who_trusted_a_type_first_stays(trust: TrustList) -> None:
    trust.add([FOREST], "ana", NOW)
    new = trust.add(["mine.Model", FOREST], "ben", NOW + timedelta(days=1))
    assert [entry.type_name for entry in new] == ["mine.Model"]
    assert [entry.added_by for entry in trust.entries()] == ["ben", "ana"]


def test_trust_can_be_taken_back(trust: TrustList) -> None:
    trust.add([FOREST], "ana", NOW)
    assert trust.remove(FOREST).added_by == "ana"
    assert trust.trusted() == frozenset()
    with pytest.raises(UnknownNameError, match="is not on the trust list"):
        trust.remove(FOREST)


@pytest.mark.parametrize("name", ["", "Model", "a..b", "a.b()", "a.*", ".a.b", "a.b\n", "*"])
def test_what_is_no_full_name_of_a_type_is_refused(trust: TrustList, name: str) -> None:
    with pytest.raises(StoreError, match="is no name of a type"):
        trust.add([name], "ana", NOW)
    assert trust.trusted() == frozenset()


def test_nobody_trusts_without_a_name_or_a_time_in_a_zone(trust: TrustList) -> None:
    with pytest.raises(StoreError, match="who trusts"):
        trust.add([FOREST], " ", NOW)
    with pytest.raises(OciError, match="has no zone"):
        trust.add([FOREST], "ana", datetime(2026, 3, 1))
    assert trust.trusted() == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format": 1}',
        '{"format": 1, "types": ["a.b"]}',
        '{"format": "1", "types": []}',
        '{"format": 1, "types": [{"type": "a.b", "added_by": "ana", "added": "yesterday"}]}',
    ],
)
def test_a_damaged_list_trusts_nothing(trust: TrustList, tmp_path: Path, text: str) -> None:
    (tmp_path / "store" / "trust.json").write_text(text)
    with pytest.raises(CorruptError, match="is damaged"):
        trust.trusted()


def test_a_list_of_a_newer_format_is_refused(trust: TrustList, tmp_path: Path) -> None:
    (tmp_path / "store" / "trust.json").write_text(json.dumps({"format": FORMAT + 1, "types": []}))
    with pytest.raises(StoreError, match="upgrade jomon"):
        trust.trusted()

"""Entries: times are written in UTC, and what cannot be read is no time."""

from __future__ import annotations

import doctest
import importlib
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.oci.digest import Digest
from jomon.oci.entries import ImageEntry, format_time, parse_time
from jomon.oci.errors import OciError


@given(
    st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))]), min_value=datetime(1900, 1, 1)
    )
)
def test_a_time_is_written_in_utc_and_read_back(moment: datetime) -> None:
    text = format_time(moment)
    assert text.endswith("Z")
    assert parse_time(text) == moment


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(OciError, match="has no zone"):
        format_time(datetime(2026, 1, 1))


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-01-01T00:00:00"])
def test_what_is_no_time_in_a_zone_is_none(text: str | None) -> None:
    assert parse_time(text) is None


def test_an_entry_has_the_keys_of_the_json_contract() -> None:
    digest = Digest.of(b"")
    entry = ImageEntry("flights", "1.0", digest, datetime(2026, 1, 1, tzinfo=UTC), 5, 3)
    assert entry.document() == {
        "repository": "flights",
        "tag": "1.0",
        "digest": str(digest),
        "created": "2026-01-01T00:00:00Z",
        "size_bytes": 5,
        "members": 3,
    }
    assert ImageEntry(None, None, digest, None, 5, None).document()["created"] is None


@pytest.mark.parametrize("name", ["digest", "annotations", "reference"])
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"jomon.oci.{name}"))
    assert result.attempted
    assert not result.failed


def test_reading_a_manifest_loads_no_heavy_library() -> None:
    import subprocess

    heavy = "{'polars', 'numba', 'lightgbm', 'pandas', 'sklearn', 'numpy', 'duckdb'}"
    code = f"""
import sys
import jomon.oci.manifest, jomon.oci.ports, jomon.oci.index, jomon.store.layout, jomon.store.cache
import jomon.store.memory, jomon.store.trust
assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)

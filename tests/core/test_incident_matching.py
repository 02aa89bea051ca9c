"""The same trouble is the same incident: pairs are one to one, the most alike first, in whatever order they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.findings import Cause, CauseKind, Severity, Span
from jomon.core.incident_matching import (
    FAMILIES,
    SEVERITIES,
    Extent,
    Known,
    assign,
    extent_of,
    growth,
    likeness,
    widened,
)
from jomon.core.incidents import Trouble
from jomon.core.segments import Segment

Make = Callable[..., Trouble]
SEGMENTS = tuple(
    Segment.parse(text)
    for text in (
        "(all)",
        "carrier=UA",
        "carrier=AA",
        "origin=EWR",
        "carrier=UA origin=EWR",
        "carrier=AA origin=JFK",
    )
)

troubles = st.builds(
    lambda parts, columns, kind, severity, rows: Trouble(
        Span(0, 10), tuple(parts), tuple(columns), (), Cause(kind, "so", 1.0), 1, rows, severity
    ),
    st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(("distance", "temp", "score")), max_size=3, unique=True),
    st.sampled_from(("unit_changed", "stuck", "missing_rows", "changed_behaviour")),
    st.sampled_from(SEVERITIES),
    st.integers(1, 10**6),
)
incidents = st.lists(
    st.tuples(st.booleans(), st.lists(troubles, min_size=1, max_size=3), st.booleans()), max_size=5
).map(
    lambda made: [
        Known(key, closed, tuple(seen), seen[0] if here else None)
        for key, (closed, seen, here) in enumerate(made)
    ]
)
several = st.lists(troubles, max_size=5)


def told(trouble: Trouble) -> tuple[str, ...]:
    return trouble.cause.kind, *sorted(trouble.columns), *sorted(part.text for part in trouble.parts)


def alike(trouble: Trouble, known: Known) -> float:
    return max(likeness(trouble, seen) for seen in known.seen)


def test_every_kind_of_cause_has_a_family_and_every_severity_a_rank() -> None:
    assert set(FAMILIES) == set(get_args(CauseKind))
    assert set(SEVERITIES) == set(get_args(Severity))


@given(troubles, troubles)
def test_likeness_is_a_share_that_knows_no_order(one: Trouble, other: Trouble) -> None:
    assert likeness(one, other) == pytest.approx(likeness(other, one))
    assert 0 <= likeness(one, other) <= 1
    assert likeness(one, one) == 1


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"kind": "changed_distribution"}, True),
        ({"columns": "distance temp"}, True),
        ({"parts": "(all)"}, True),
        ({"parts": "carrier=UA origin=EWR"}, True),
        ({"parts": "origin=EWR"}, True),
        ({"parts": "carrier=AA,carrier=UA"}, True),
        ({"severity": "high"}, True),
        ({"parts": "carrier=AA"}, False),
        ({"columns": "temp"}, False),
        ({"kind": "missing_rows"}, False),
        ({"kind": "special_event"}, False),
    ],
)
def test_one_trouble_is_family_columns_and_segments(
    make_trouble: Make, other: dict[str, str], same: bool
) -> None:
    assert (likeness(make_trouble(0), make_trouble(1, **other)) > 0) is same


def test_the_nearer_segment_is_more_alike(make_trouble: Make) -> None:
    mine = make_trouble(0, "carrier=UA origin=EWR")
    near = [likeness(mine, make_trouble(0, text)) for text in
            ("carrier=UA origin=EWR", "carrier=UA", "(all)")]  # fmt: skip
    assert near == sorted(near, reverse=True)
    assert len(set(near)) == 3


@given(several, incidents)
def test_a_trouble_is_one_incident_and_an_incident_one_trouble(
    said: list[Trouble], known: list[Known]
) -> None:
    found = assign(said, known)
    keys = [key for key in found if key is not None]
    assert len(found) == len(said)
    assert len(keys) == len(set(keys))
    by_key = {one.key: one for one in known}
    assert all(alike(t, by_key[key]) > 0 for t, key in zip(said, found, strict=True) if key is not None)


@given(several, incidents)
def test_none_stays_alone_beside_an_incident_that_fits(said: list[Trouble], known: list[Known]) -> None:
    found = assign(said, known)
    alone = [trouble for trouble, key in zip(said, found, strict=True) if key is None]
    assert all(alike(t, one) == 0 for t in alone for one in known if one.key not in found)


@given(several, incidents)
def test_the_most_alike_pair_is_one(said: list[Trouble], known: list[Known]) -> None:
    known = [replace(one, here=None) for one in known]
    found = assign(said, known)
    pairs = [(alike(t, one), at, one.key) for at, t in enumerate(said) for one in known if not one.closed]
    best = max((pair[0] for pair in pairs), default=0.0)
    if best > 0:
        assert any(found[at] == key for value, at, key in pairs if value == best)


@given(st.lists(troubles, max_size=5, unique_by=told), incidents, st.randoms())
def test_the_order_of_what_comes_decides_nothing(
    said: list[Trouble], known: list[Known], random: Random
) -> None:
    known = [replace(one, here=None) for one in known]
    shuffled, others = said[:], known[:]
    random.shuffle(shuffled)
    random.shuffle(others)
    one = {id(t): key for t, key in zip(said, assign(said, known), strict=True)}
    other = {id(t): key for t, key in zip(shuffled, assign(shuffled, others), strict=True)}
    assert one == other


@given(several)
def test_what_a_window_said_before_it_says_of_the_same_incidents(said: list[Trouble]) -> None:
    known = [Known(key, key % 2 == 0, (trouble,), trouble) for key, trouble in enumerate(said)]
    found = assign(said, known)
    assert [said[key] for key in found if key is not None] == said


def test_an_open_incident_comes_before_a_closed_one(make_trouble: Make) -> None:
    mine = make_trouble(3)
    closed, opened = Known(1, True, (make_trouble(2),)), Known(2, False, (make_trouble(2, "(all)"),))
    assert assign([mine], [closed, opened]) == [2]
    assert assign([mine], [closed]) == [1]


@given(troubles, troubles)
def test_an_incident_that_grew_does_not_grow_again_by_the_same(first: Trouble, second: Trouble) -> None:
    extent = extent_of(first)
    assert not growth(first, extent)
    more = growth(second, extent)
    wider = widened(extent, more)
    assert not growth(second, wider)
    assert not growth(first, wider)
    assert bool(more) == bool(more.sentence)


def test_growth_is_a_wider_place_more_columns_or_more_severe(make_trouble: Make) -> None:
    extent = extent_of(make_trouble(0))
    assert growth(make_trouble(1, "carrier=UA origin=EWR", severity="low"), extent).sentence == ""
    more = growth(make_trouble(1, "carrier=UA,origin=EWR", "distance temp", severity="high"), extent)
    assert more.sentence == "severity high; also segments origin=EWR; also columns temp"
    whole = growth(make_trouble(1, "(all)"), extent)
    assert widened(extent, whole) == Extent((Segment(),), ("distance",), "medium")

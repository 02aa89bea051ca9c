"""What a ledger must hold, in SQLite and in PostgreSQL: the life of an incident, checks, and the outbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jomon.core.checks import CheckResult
from jomon.core.errors import JomonError, UnknownNameError
from jomon.core.findings import Span
from jomon.core.incidents import Incident, Trouble
from jomon.store.ledger import open_ledger
from jomon.store.sql.ledger import Ledger
from jomon.store.sql.outbox import LEASE, MOST_ATTEMPTS, pause_after

Make = Callable[..., Trouble]
DAY = 86_400_000_000


@pytest.fixture
def ledger(ledger_place: Path | str) -> Iterator[Ledger]:
    with open_ledger(ledger_place) as opened:
        yield opened


def day(number: int) -> Span:
    return Span(number * DAY, (number + 1) * DAY)


def acts(incident: Incident) -> list[str]:
    return [event.act for event in incident.events]


def news(ledger: Ledger, fleet: str = "flights") -> list[tuple[str, str]]:
    """All that waits, sent: (incident, act)."""
    found = []
    while (taken := ledger.claim(fleet, 10**18)) is not None:
        ledger.mark_sent(taken, 10**18)
        found.append((taken.document["incident"]["name"], taken.document["event"]["act"]))
    return found


def whole(ledger: Ledger) -> Any:
    """All that a ledger says of incidents."""
    every = ledger.incidents()
    return every, [ledger.troubles(one.name) for one in every], ledger.notifications("flights")


class TestTheLifeOfAnIncident:
    def test_it_opens_and_the_same_the_next_day_is_the_same(self, ledger: Ledger, make_trouble: Make) -> None:
        [first] = ledger.record("flights", day(0), [make_trouble(0, rows=50)], at=5)
        assert (first.name, first.state, first.windows, first.rows) == ("flights-1", "open", 1, 50)
        assert (first.since, first.until, first.last) == (0, DAY, make_trouble(0, rows=50))
        assert [(e.at, e.act, e.who) for e in first.events] == [(5, "opened", "jomon monitor")]
        [second] = ledger.record("flights", day(1), [make_trouble(1, rows=60)], at=6)
        assert (second.name, second.windows, second.rows) == ("flights-1", 2, 110)
        assert (second.since, second.until, acts(second)) == (0, 2 * DAY, ["opened"])
        assert ledger.troubles("flights-1") == (make_trouble(0, rows=50), make_trouble(1, rows=60))
        assert news(ledger) == [("flights-1", "opened")]

    def test_another_trouble_and_another_fleet_are_other_incidents(
        self, ledger: Ledger, make_trouble: Make
    ) -> None:
        ledger.record("flights", day(0), [make_trouble(0), make_trouble(0, columns="temp")], at=5)
        [other] = ledger.record("births-us", day(0), [make_trouble(0)], at=5)
        assert other.name == "births-us-1"
        assert ledger.incident("births-us-1") == other
        assert [one.name for one in ledger.incidents("flights")] == ["flights-2", "flights-1"]
        assert len(ledger.incidents()) == 3

    def test_a_window_checked_again_changes_nothing(self, ledger: Ledger, make_trouble: Make) -> None:
        said = [make_trouble(0), make_trouble(0, columns="temp")]
        ledger.record("flights", day(0), said, at=5)
        ledger.record("flights", day(1), [make_trouble(1, severity="high")], at=6)
        before = whole(ledger)
        ledger.record("flights", day(0), said[::-1], at=7)
        ledger.record("flights", day(1), [make_trouble(1, severity="high")], at=8)
        assert whole(ledger) == before

    def test_a_window_checked_again_replaces_what_it_said(self, ledger: Ledger, make_trouble: Make) -> None:
        ledger.record("flights", day(0), [make_trouble(0, rows=50)], at=5)
        ledger.record("flights", day(1), [make_trouble(1, rows=50)], at=6)
        [again] = ledger.record("flights", day(1), [make_trouble(1, rows=70)], at=7)
        assert (again.name, again.windows, again.rows, acts(again)) == ("flights-1", 2, 120, ["opened"])
        ledger.record("flights", day(1), [], at=8)
        left = ledger.incident("flights-1")
        assert (left.state, left.windows, left.rows, left.until) == ("open", 1, 50, DAY)
        assert left.last == make_trouble(0, rows=50)

    def test_what_its_only_window_takes_back_is_closed_and_kept(
        self, ledger: Ledger, make_trouble: Make
    ) -> None:
        ledger.record("flights", day(0), [make_trouble(0)], at=5)
        for at in (6, 7):
            ledger.record("flights", day(0), [], at=at)
        gone = ledger.incident("flights-1")
        assert (gone.state, gone.windows, acts(gone)) == ("closed", 0, ["opened", "closed"])
        assert gone.events[-1].who == "jomon monitor"
        assert gone.last == make_trouble(0)
        assert ledger.troubles("flights-1") == ()
        [back] = ledger.record("flights", day(0), [make_trouble(0)], at=8)
        assert (back.name, back.state, back.windows) == ("flights-1", "open", 1)
        assert news(ledger) == [("flights-1", act) for act in ("opened", "closed", "reopened")]

    def test_a_window_that_took_it_back_is_not_where_it_was_seen(
        self, ledger: Ledger, make_trouble: Make
    ) -> None:
        ledger.record("flights", day(0), [make_trouble(0)], at=5)
        ledger.record("flights", day(0), [], at=6)
        [other] = ledger.record("flights", day(1), [make_trouble(1)], at=7)
        assert other.name == "flights-2"

    def test_it_grows_and_tells_of_a_higher_severity_only(self, ledger: Ledger, make_trouble: Make) -> None:
        ledger.record("flights", day(0), [make_trouble(0)], at=5)
        [wider] = ledger.record("flights", day(1), [make_trouble(1, "carrier=UA,carrier=AA")], at=6)
        assert (acts(wider), wider.events[-1].note) == (["opened", "grew"], "also segments carrier=AA")
        [worse] = ledger.record("flights", day(2), [make_trouble(2, severity="high")], at=7)
        assert worse.events[-1].note == "severity high"
        ledger.record("flights", day(3), [make_trouble(3, "carrier=AA", severity="high")], at=8)
        assert len(ledger.incident("flights-1").events) == 3
        assert news(ledger) == [("flights-1", "opened"), ("flights-1", "grew")]

    def test_a_closed_one_opens_again_by_a_later_window_only(
        self, ledger: Ledger, make_trouble: Make
    ) -> None:
        for number in (2, 3):
            ledger.record("flights", day(number), [make_trouble(number)], at=number)
        closed = ledger.close_incident("flights-1", "anna", 9, "the feed is mended")
        assert (closed.state, closed.events[-1].who, closed.events[-1].note) == (
            "closed", "anna", "the feed is mended",
        )  # fmt: skip
        for number in (3, 1):  # checked again, and for the first time
            [old] = ledger.record("flights", day(number), [make_trouble(number)], at=10)
            assert (old.name, old.state) == ("flights-1", "closed")
        [back] = ledger.record("flights", day(4), [make_trouble(4, severity="high")], at=11)
        assert (back.name, back.state, acts(back)) == ("flights-1", "open", ["opened", "closed", "reopened"])
        assert back.events[-1].note == "seen again; severity high"
        assert [act for _, act in news(ledger)] == ["opened", "closed", "reopened"]

    @pytest.mark.parametrize(("pause", "name"), [(7, "flights-1"), (8, "flights-2")])
    @pytest.mark.parametrize("close", [False, True])
    def test_it_is_another_one_if_it_was_not_seen_for_seven_windows(
        self, ledger: Ledger, make_trouble: Make, pause: int, name: str, close: bool
    ) -> None:
        ledger.record("flights", day(100), [make_trouble(100)], at=5)
        if close:
            ledger.close_incident("flights-1", "anna", 6, "over")
        [found] = ledger.record("flights", day(100 + pause), [make_trouble(100 + pause)], at=7)
        assert found.name == name

    def test_two_that_become_one_and_one_that_becomes_two(self, ledger: Ledger, make_trouble: Make) -> None:
        apart = [make_trouble(0, "carrier=UA"), make_trouble(0, "carrier=AA")]
        assert [one.name for one in ledger.record("flights", day(0), apart, at=5)] == [
            "flights-1",
            "flights-2",
        ]
        together = make_trouble(1, "carrier=AA,carrier=UA,carrier=AA origin=EWR")
        [merged] = ledger.record("flights", day(1), [together], at=6)
        assert merged.name == "flights-2"  # the most alike
        split = [make_trouble(2, "carrier=UA"), make_trouble(2, "carrier=AA"), make_trouble(2, "(all)")]
        found = [one.name for one in ledger.record("flights", day(2), split, at=7)]
        assert found == ["flights-1", "flights-2", "flights-3"]

    def test_a_trouble_of_another_window_is_refused_and_nothing_kept(
        self, ledger: Ledger, make_trouble: Make
    ) -> None:
        with pytest.raises(ValueError, match="another window"):
            ledger.record("flights", day(0), [make_trouble(0), make_trouble(1)], at=5)
        assert ledger.incidents() == []


class TestPeople:
    def test_take_on_note_and_close(self, ledger: Ledger, make_trouble: Make) -> None:
        ledger.record("flights", day(0), [make_trouble(0)], at=5)
        taken = ledger.acknowledge("flights-1", "anna", 6, "looking")
        assert (taken.state, taken.owner, taken.events[-1].note) == ("acknowledged", "anna", "looking")
        assert ledger.acknowledge("flights-1", "anna", 7) == taken
        assert ledger.acknowledge("flights-1", "ben", 8).owner == "ben"
        assert acts(ledger.write_note("flights-1", "anna", 9, "it is the feed"))[-1] == "noted"
        [seen] = ledger.record("flights", day(1), [make_trouble(1)], at=10)
        assert seen.state == "acknowledged"
        assert ledger.close_incident("flights-1", "ben", 11, "mended").state == "closed"
        assert ledger.write_note("flights-1", "anna", 12, "thanks").state == "closed"

    def test_what_cannot_be_is_one_sentence_and_changes_nothing(
        self, ledger: Ledger, make_trouble: Make
    ) -> None:
        ledger.record("flights", day(0), [make_trouble(0)], at=5)
        with pytest.raises(JomonError, match="closed with a reason"):
            ledger.close_incident("flights-1", "anna", 6, "  ")
        with pytest.raises(JomonError, match="needs words"):
            ledger.write_note("flights-1", "anna", 6, "")
        ledger.close_incident("flights-1", "anna", 7, "over")
        before = whole(ledger)
        with pytest.raises(
            JomonError, match=r"^The incident flights-1 is closed already, by anna: `jomon inc"
        ):
            ledger.close_incident("flights-1", "ben", 8, "over")
        with pytest.raises(JomonError, match="is closed: there is nothing to acknowledge"):
            ledger.acknowledge("flights-1", "ben", 9)
        assert whole(ledger) == before

    @pytest.mark.parametrize("name", ["flights", "flights-", "-1", "flights-x", "flights-²"])
    def test_what_is_no_name_is_told(self, ledger: Ledger, name: str) -> None:
        with pytest.raises(UnknownNameError, match="is not the name of an incident"):
            ledger.acknowledge(name, "anna", 5)

    def test_an_unknown_name_is_told_with_a_near_one(self, ledger: Ledger, make_trouble: Make) -> None:
        ledger.record("flights", day(0), [make_trouble(0)], at=5)
        with pytest.raises(UnknownNameError, match=r"no incident 'flight-1'; did you mean 'flights-1'\?"):
            ledger.incident("flight-1")
        with pytest.raises(UnknownNameError):
            ledger.incident("flights-99999999999999999999")

    def test_states_select(self, ledger: Ledger, make_trouble: Make) -> None:
        said = [make_trouble(0, columns=name) for name in ("a", "b", "c")]
        ledger.record("flights", day(0), said, at=5)
        ledger.acknowledge("flights-2", "anna", 6)
        ledger.close_incident("flights-3", "anna", 7, "over")
        chosen = {state: [one.name for one in ledger.incidents("flights", [state])]
                  for state in ("open", "acknowledged", "closed")}  # fmt: skip
        assert chosen == {"open": ["flights-1"], "acknowledged": ["flights-2"], "closed": ["flights-3"]}


class TestChecks:
    def checked(self, number: int, status: str = "quiet", p: float | None = 0.5) -> CheckResult:
        return CheckResult(
            "flights", day(number), status, "", 900, 0, 0.05, p, 1.5, 3.0, 40, 2, 60, "60 days"
        )

    def test_a_check_is_kept_with_its_incidents_and_replaced_by_the_next_of_its_window(
        self, ledger: Ledger, make_trouble: Make
    ) -> None:
        ledger.record("flights", day(1), [make_trouble(1)], 5, check=self.checked(1, "findings", 0.001))
        ledger.record("flights", day(0), [], 6, check=self.checked(0))
        ledger.record("flights", day(2), [], 7, check=self.checked(2, "unknown", None))
        found = ledger.checks("flights")
        assert [(one["start"], one["status"], one["p"], one["incidents"], one["at"]) for one in found] == [
            (0, "quiet", 0.5, [], 6), (DAY, "findings", 0.001, ["flights-1"], 5), (2 * DAY, "unknown", None, [], 7),
        ]  # fmt: skip
        ledger.record("flights", day(1), [], 8, check=self.checked(1))
        assert [one["status"] for one in ledger.checks("flights")] == ["quiet", "quiet", "unknown"]
        assert [one["start"] for one in ledger.checks("flights", since=DAY)] == [DAY, 2 * DAY]
        assert [one["start"] for one in ledger.checks("flights", last=2)] == [DAY, 2 * DAY]
        assert ledger.checks("births") == []
        assert ledger.checked("flights") == [(day(0), "quiet"), (day(1), "quiet"), (day(2), "unknown")]
        assert ledger.checked("flights", since=2 * DAY) == [(day(2), "unknown")]

    def test_an_unknown_check_takes_nothing_back(self, ledger: Ledger, make_trouble: Make) -> None:
        [made] = ledger.record("flights", day(1), [make_trouble(1)], 5, check=self.checked(1, "findings"))
        unknown = self.checked(1, "unknown", None)
        assert ledger.record("flights", day(1), [], 6, check=unknown) == []
        assert ledger.incidents() == [made]
        assert [one["status"] for one in ledger.checks("flights")] == ["unknown"]
        with pytest.raises(ValueError, match="unknown has no troubles"):
            ledger.record("flights", day(1), [make_trouble(1)], 7, check=unknown)

    def test_a_number_that_json_has_not_is_kept_as_text(self, ledger: Ledger) -> None:
        ledger.record("flights", day(0), [], 5, check=replace(self.checked(0), surprise=float("inf")))
        assert ledger.checks("flights")[0]["surprise"] == "inf"

    def test_the_state_of_the_online_procedure_is_kept(self, ledger: Ledger) -> None:
        assert ledger.online("flights") is None
        for tests in (1, 2):
            state = {"alpha": 0.05, "tests": tests, "rejections": 0}
            ledger.record("flights", day(tests), [], 5, online=state)
            assert ledger.online("flights") == state
        ledger.record("flights", day(3), [], 5)
        assert ledger.online("flights") == {"alpha": 0.05, "tests": 2, "rejections": 0}
        assert ledger.online("births") is None


class TestTheOutbox:
    def test_one_taken_is_nobody_elses_until_its_lease_ends(self, ledger: Ledger, make_trouble: Make) -> None:
        ledger.record("flights", day(0), [make_trouble(0)], at=5)
        taken = ledger.claim("flights", 100)
        assert taken is not None
        assert (taken.attempts, taken.document["id"], taken.document["event"]["act"]) == (
            1,
            taken.id,
            "opened",
        )
        assert ledger.claim("flights", 100 + LEASE - 1) is None
        again = ledger.claim("flights", 100 + LEASE)
        assert again is not None
        assert (again.id, again.attempts) == (taken.id, 2)
        ledger.mark_failed(taken, 100 + LEASE, "too late")  # by the first, who lost it
        assert ledger.notifications("flights").sending == 1
        assert ledger.claim("flights", 100 + LEASE) is None
        ledger.mark_sent(again, 100 + LEASE)
        assert ledger.claim("flights", 10**18) is None
        assert ledger.notifications("flights").sent == 1

    def test_news_of_one_incident_keep_their_order_and_others_do_not_wait(
        self, ledger: Ledger, make_trouble: Make
    ) -> None:
        ledger.record("flights", day(0), [make_trouble(0), make_trouble(0, columns="temp")], at=5)
        ledger.close_incident("flights-1", "anna", 6, "over")
        first = ledger.claim("flights", 100)
        assert first is not None
        ledger.mark_failed(first, 100, "answered with status 500")
        second = ledger.claim("flights", 101)
        assert second is not None
        assert second.document["incident"]["name"] == "flights-2"
        assert ledger.claim("flights", 102) is None
        assert ledger.claim("births", 102) is None
        later = ledger.claim("flights", 100 + pause_after(1))
        assert later is not None
        assert later.id == first.id

    def test_it_is_given_up_after_many_attempts(self, ledger: Ledger, make_trouble: Make) -> None:
        ledger.record("flights", day(0), [make_trouble(0)], at=5)
        now = 0
        for attempt in range(1, MOST_ATTEMPTS + 1):
            taken = ledger.claim("flights", now)
            assert taken is not None
            assert taken.attempts == attempt
            again = ledger.mark_failed(taken, now, "answered with status 500")
            assert again is (attempt < MOST_ATTEMPTS)
            now += pause_after(attempt)
        assert ledger.claim("flights", 10**18) is None
        assert (ledger.notifications("flights").failed, ledger.notifications("flights").waiting) == (1, 0)

    def test_what_nobody_is_told_is_let_go(self, ledger: Ledger, make_trouble: Make) -> None:
        ledger.record("flights", day(0), [make_trouble(0)], at=5)
        assert ledger.skip_notifications("flights") == 1
        assert ledger.claim("flights", 10**18) is None
        assert ledger.notifications("flights").skipped == 1


EXAMPLES = count()
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("check"),
            st.integers(0, 12),
            st.lists(
                st.tuples(
                    st.sampled_from(["carrier=UA", "carrier=AA", "(all)", "carrier=UA,carrier=AA"]),
                    st.sampled_from(["distance", "temp", "distance temp"]),
                    st.sampled_from(["unit_changed", "missing_rows"]),
                    st.sampled_from(["low", "medium", "high"]),
                ),
                max_size=3,
                unique_by=lambda made: made[:3],
            ),
        ),
        st.tuples(st.just("close"), st.integers(0, 3), st.none()),
        st.tuples(st.just("ack"), st.integers(0, 3), st.none()),
    ),
    max_size=8,
)
NEXT = {"opened": "open", "reopened": "open", "acknowledged": "acknowledged", "closed": "closed"}
MAY = {
    "opened": {None}, "reopened": {"closed"}, "closed": {"open", "acknowledged"},
    "acknowledged": {"open", "acknowledged"}, "grew": {"open", "acknowledged"},
}  # fmt: skip


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(STEPS)
def test_whatever_happens_the_ledger_adds_up(ledger: Ledger, make_trouble: Make, steps: list[Any]) -> None:
    fleet = f"fleet-{next(EXAMPLES)}"
    said: dict[int, list[Trouble]] = {}
    for at, (what, number, made) in enumerate(steps):
        if what == "check":
            said[number] = [make_trouble(number, parts, columns, kind, severity)
                            for parts, columns, kind, severity in made]  # fmt: skip
            found = ledger.record(fleet, day(number), said[number], at)
            assert [one.last for one in found if one.until == (number + 1) * DAY] == [
                trouble for one, trouble in zip(found, said[number], strict=True) if one.until == (number + 1) * DAY
            ]  # fmt: skip
            before = ledger.incidents(fleet), ledger.notifications(fleet)
            ledger.record(fleet, day(number), said[number], at + 1000)
            assert (ledger.incidents(fleet), ledger.notifications(fleet)) == before
        else:
            unclosed = ledger.incidents(fleet, ["open", "acknowledged"])
            if number < len(unclosed) and what == "close":
                ledger.close_incident(unclosed[number].name, "anna", at, "over")
            elif number < len(unclosed):
                ledger.acknowledge(unclosed[number].name, "anna", at)
    every = ledger.incidents(fleet)
    kept = Counter(trouble for one in every for trouble in map(repr, ledger.troubles(one.name)))
    assert kept == Counter(repr(trouble) for troubles in said.values() for trouble in troubles)
    assert sum(one.windows for one in every) == sum(map(len, said.values()))
    assert sum(one.rows for one in every) == sum(t.rows for troubles in said.values() for t in troubles)
    told = 0
    for one in every:
        state = None
        for event in one.events:
            assert state in MAY[event.act]
            state = NEXT.get(event.act, state)
            told += event.act in ("opened", "closed", "reopened") or "severity" in event.note
        assert one.state == state
    assert ledger.notifications(fleet).waiting == told

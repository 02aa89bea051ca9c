"""Reasons are stable kinds with one sentence each."""

from __future__ import annotations

import pytest

from jomon.core.routing import ANSWERS, Reason, RouteStep, Why, finest_alone

DETAILS = {
    Why.NO_VALUE: {"axes": "carrier"},
    Why.TOO_FEW_ROWS: {"rows": 57, "needed": 200},
    Why.NOT_KEPT: {"evidence": "+0.002 [0.001, 0.003]"},
    Why.STAGE_NOT_KEPT: {"evidence": "0.000 [-0.001, 0.001]"},
    Why.FAILED: {"error": "one class"},
    Why.FINER_ANSWERS: {"segment": "carrier=UA"},
}


@pytest.mark.parametrize("why", list(Why))
def test_every_kind_of_reason_has_a_sentence_that_holds_its_details(why: Why) -> None:
    details = DETAILS.get(why, {})
    text = Reason.of(why, **details).text
    assert text
    assert "{" not in text
    assert all(str(value) in text for value in details.values())


@pytest.mark.parametrize("why", list(DETAILS))
def test_a_reason_without_its_details_or_with_others_is_a_defect(why: Why) -> None:
    with pytest.raises(ValueError, match="needs the detail"):
        Reason.of(why)
    with pytest.raises(ValueError, match="has no place"):
        Reason.of(why, **DETAILS[why], more=1)


def test_only_answering_kinds_answer() -> None:
    assert {why for why in Why if Reason(why).answers} == {Why.ANSWERS, Why.FAST_ONLY}
    assert ANSWERS.text == "answers"


def test_a_route_on_which_nobody_answers_stays_as_it_is() -> None:
    route = (RouteStep((), "(all)", False, "no member: fitting failed (x)"),)
    assert finest_alone(route) == route

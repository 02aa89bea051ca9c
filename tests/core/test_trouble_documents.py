"""A trouble comes back from its JSON as it was, whatever its numbers are."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from jomon.core.findings import Cause
from jomon.core.incidents import Trouble
from jomon.core.segments import Segment
from jomon.core.trouble_documents import plain, trouble_document, trouble_from_document

Make = Callable[..., Trouble]


def through(trouble: Trouble) -> Trouble:
    return trouble_from_document(json.loads(json.dumps(trouble_document(trouble), allow_nan=False)))


def test_a_trouble_comes_back_as_it_was(make_trouble: Make) -> None:
    for loss in (None, 3.25):
        trouble = make_trouble(3, "carrier=UA origin=EWR,(all)", "distance temp", loss=loss)
        assert through(trouble) == trouble


def test_segments_with_odd_values_come_back(make_trouble: Make) -> None:
    odd = Segment((("shop", 'a "b" = c\n'), ("day", "")))
    assert through(replace(make_trouble(3), parts=(odd,))).parts == (odd,)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_that_json_has_not_come_back(make_trouble: Make, value: float) -> None:
    trouble = make_trouble(3)
    [finding] = trouble.findings
    wild = replace(trouble, findings=(replace(finding, statistic=value, effect_high=value),), loss=value)
    read = through(wild)
    assert read.findings[0].statistic == pytest.approx(value, nan_ok=True)
    assert read.loss == pytest.approx(value, nan_ok=True)
    assert trouble_document(read) == trouble_document(wild)


def test_evidence_with_arrays_becomes_json(make_trouble: Make) -> None:
    evidence = {
        "at": np.array([1, 2]),
        "share": np.float32(0.5),
        "n": np.int64(3),
        "seen": {"b", "a"},
        "none": None,
    }
    trouble = replace(make_trouble(3), cause=Cause("stuck", "it stands still", 1.0, evidence))
    assert through(trouble).cause.evidence == {
        "at": [1, 2], "share": 0.5, "n": 3, "seen": ["a", "b"], "none": None,
    }  # fmt: skip


def test_what_is_no_json_becomes_text() -> None:
    assert plain({1: (True, 2.5, object)})["1"][:2] == [True, 2.5]
    assert isinstance(plain(object()), str)

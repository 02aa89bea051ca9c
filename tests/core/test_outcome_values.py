"""Reported outcomes are checked one by one, and come out as the log keeps them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.errors import DataError, PredictError
from jomon.core.outcome_key import key_text
from jomon.core.outcome_values import OutcomeItem, OutcomeReader, fits
from jomon.core.spec import ColumnContract, DataSpec, FeaturesSpec, TargetSpec

NOW = 1_700_000_000_000_000
DEPARTURE = 1_383_472_800_000_000


def parse(value: Any) -> int:
    """A stand-in for the server's reader of times: one text, or microseconds."""
    if value == "2013-11-03T05:00":
        return DEPARTURE
    if isinstance(value, int):
        return value
    raise PredictError(f"column 'departure' holds {value!r}, which is no time: write it so.")


def data(kind: str = "binary", key: tuple[str, ...] = ("carrier", "flight", "departure")) -> DataSpec:
    return DataSpec(
        source="rows.csv",
        time="departure",
        key=key,
        target=TargetSpec(column="late", kind=kind),  # type: ignore[arg-type]
        features=FeaturesSpec(numeric=("distance",)),
    )


READER = OutcomeReader(data(), parse)
KEY = {"carrier": "UA", "flight": 1545, "departure": "2013-11-03T05:00"}


def test_an_outcome_by_key_carries_the_canonical_key() -> None:
    (item,) = READER.read([{"key": KEY, "value": 1}], NOW)
    assert item == (0, f'["UA","1545","{DEPARTURE}"]', 0, 1.0, NOW)


@pytest.mark.parametrize("flight", [1545, 1545.0, "1545"])
def test_a_number_is_the_same_key_however_it_is_written(flight: Any) -> None:
    (item,) = READER.read([{"key": {**KEY, "flight": flight}, "value": 1}], NOW)
    assert item.key == key_text(["UA", 1545, DEPARTURE])


def test_an_outcome_by_request_has_the_number_of_its_row() -> None:
    items = READER.read(
        [{"request_id": "r1", "value": False}, {"request_id": "r1", "row": 7, "value": None, "known_at": 12}],
        NOW,
    )
    assert items == [OutcomeItem(1, "r1", 0, 0.0, NOW), OutcomeItem(1, "r1", 7, None, 12)]


def test_known_at_is_read_by_its_own_reader() -> None:
    reader = OutcomeReader(data(), parse, lambda value: 99)
    assert reader.read([{"key": KEY, "value": 1, "known_at": "any"}], NOW)[0].known_at_us == 99


def test_a_personal_key_column_is_hashed_by_its_text() -> None:
    reader = OutcomeReader(data(), parse, hash_columns=("flight", "name"), hashed=lambda text: f"#{text}")
    (item,) = reader.read([{"key": {**KEY, "flight": 1545.0}, "value": 1}], NOW)
    assert item.key == key_text(["UA", "#1545", DEPARTURE])
    with pytest.raises(ValueError, match="nothing hashes them"):
        OutcomeReader(data(), parse, hash_columns=("flight",))


@pytest.mark.parametrize(
    ("declared", "value", "text"),
    [
        ("int", "07", "7"), ("int", 7.0, "7"), ("int", " +7 ", "7"), ("int", 2**53 + 1, "9007199254740993"),
        ("float", "7.50", "7.5"), ("float", 7, "7"), ("bool", 1, "true"), ("bool", "False", "false"),
        ("bool", True, "true"), ("string", "07", "07"), (None, 7.0, "7"),
    ],
)  # fmt: skip
def test_a_key_column_is_written_as_its_contract_has_it(declared: Any, value: Any, text: str) -> None:
    plain = data()
    typed = plain.model_copy(update={"contract": {"flight": ColumnContract(type=declared)}})
    (item,) = OutcomeReader(typed, parse).read([{"key": {**KEY, "flight": value}, "value": 1}], NOW)
    assert item.key == key_text(["UA", text, DEPARTURE])


@pytest.mark.parametrize(
    ("declared", "value"), [("int", "7.5"), ("int", "x"), ("float", "inf"), ("bool", "2")]
)
def test_a_key_column_that_breaks_its_contract_is_refused(declared: Any, value: Any) -> None:
    typed = data().model_copy(update={"contract": {"flight": ColumnContract(type=declared)}})
    with pytest.raises(DataError, match=r"^Outcome 0: the key column 'flight' holds .* where it needs"):
        OutcomeReader(typed, parse).read([{"key": {**KEY, "flight": value}, "value": 1}], NOW)


def test_a_numeric_feature_in_the_key_is_written_as_the_number_it_is() -> None:
    reader = OutcomeReader(data(key=("distance", "departure")), parse)
    keys = [{"distance": value, "departure": DEPARTURE} for value in (7, 7.0, "7.0")]
    assert {item.key for item in reader.read([{"key": key, "value": 1} for key in keys], NOW)} == {
        key_text(["7", DEPARTURE])
    }


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (7, "7 is no outcome"),
        ({"key": KEY}, "it has no value: send one, or null"),
        ({"value": 1}, "it has neither a key nor a request_id: send one of the two"),
        ({"key": KEY, "request_id": "r", "value": 1}, "it has both a key and a request_id"),
        ({"key": KEY, "valeu": 1}, "there is no field 'valeu'; did you mean 'value'"),
        ({"key": KEY, "value": 1, "row": 1}, "row counts within a request"),
        ({"key": "UA", "value": 1}, "key is 'UA': send an object with carrier, flight, departure"),
        ({"key": {"carier": "UA"}, "value": 1}, "'carier' is no column of the key; did you mean 'carrier'"),
        ({"key": {"carrier": "UA", "flight": 1}, "value": 1}, "the key column 'departure' has no value"),
        (
            {"key": {**KEY, "flight": None}, "value": 1},
            "the key column 'flight' has no value: a key has to be",
        ),
        ({"key": {**KEY, "flight": [1]}, "value": 1}, r"the key column 'flight' holds \[1\]: send text or a"),
        ({"key": {**KEY, "flight": float("nan")}, "value": 1}, "the key column 'flight' holds nan"),
        (
            {"key": {**KEY, "departure": "soon"}, "value": 1},
            "column 'departure' holds 'soon', which is no time",
        ),
        ({"key": KEY, "value": 10**5000}, "value is a number of thousands of digits"),
        ({"key": KEY, "value": 2}, "value is 2: the outcome is 0, 1, true, false or null"),
        ({"key": KEY, "value": "1"}, "value is '1': the outcome is 0, 1"),
        ({"request_id": "", "value": 1}, "request_id is '': send the id"),
        ({"request_id": 8, "value": 1}, "request_id is 8: send the id"),
        ({"request_id": "r", "row": -1, "value": 1}, "row is -1: send the number of the row"),
        ({"request_id": "r", "row": True, "value": 1}, "row is true: send the number of the row"),
        ({"request_id": "r", "row": 2**31, "value": 1}, "row is 2147483648: send"),
        ({"request_id": "r", "value": 1, "known_at": "soon"}, "known_at holds 'soon', which is no time"),
    ],
)
def test_what_cannot_be_an_outcome_is_refused_by_its_number(outcome: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"^Outcome 1: .*{said}"):
        READER.read([{"key": KEY, "value": 1}, outcome], NOW)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("binary", [0, 1, 0.0, 1.0, True, False], [2, -1, 0.5, "1", float("nan"), [1]]),
        ("count", [0, 3, 3.0, 2**53], [-1, 0.5, True, "3", float("nan"), float("inf"), 2**53 + 1, 10**400]),
        ("regression", [-1.5, 0, 10**300], [True, "1", float("nan"), float("-inf"), 10**400, {}]),
    ],
)
def test_values_fit_the_kind_of_the_target(kind: str, good: list[Any], bad: list[Any]) -> None:
    reader = OutcomeReader(data(kind), parse)
    items = reader.read([{"request_id": "r", "value": value} for value in good], NOW)
    assert [item.value for item in items] == [float(value) for value in good]
    for value in bad:
        with pytest.raises(DataError, match="value is "):
            reader.read([{"request_id": "r", "value": value}], NOW)


def test_a_long_wrong_value_is_cut_in_the_message() -> None:
    with pytest.raises(DataError) as refused:
        READER.read([{"request_id": "r", "value": "x" * 10_000}], NOW)
    assert len(str(refused.value)) < 200


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.dictionaries(st.sampled_from(["key", "request_id", "row", "value", "known_at", "x"]), ANYTHING),
    st.sampled_from(["binary", "count", "regression"]),
)
def test_anything_is_read_or_refused_in_one_sentence(outcome: dict[str, Any], kind: str) -> None:
    try:
        (item,) = OutcomeReader(data(kind), parse).read([outcome], NOW)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert item.value is None or fits(item.value, kind)

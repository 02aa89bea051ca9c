"""The text of a key: one text for one key, however its values are written, and another for every other."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.outcome_key import KeyValue, key_text, key_texts

values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_infinity=False), st.text()
)
keys = st.lists(values, min_size=1, max_size=5)


@pytest.mark.parametrize("value", [7, 7.0, "7"])
def test_a_number_and_its_text_are_one_key(value: KeyValue) -> None:
    assert key_text(["UA", value]) == '["UA","7"]'


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_missing_value_is_null(value: KeyValue) -> None:
    assert key_text([value, True]) == '[null,"true"]'


def test_text_is_kept_as_it_is_and_has_no_blanks_around_it() -> None:
    assert key_text(["São Paulo", 'a"b', "\n", 1]) == '["São Paulo","a\\"b","\\n","1"]'


@given(keys)
def test_a_key_is_read_back_as_texts(key: list[KeyValue]) -> None:
    back = json.loads(key_text(key))
    assert len(back) == len(key)
    assert all(text is None or isinstance(text, str) for text in back)
    assert key_text(back) == key_text(key)


@given(st.lists(keys.filter(lambda key: len(key) == 2), max_size=5))
def test_keys_of_columns_are_the_keys_of_their_rows(rows: list[list[KeyValue]]) -> None:
    columns = [[row[0] for row in rows], [row[1] for row in rows]]
    assert list(key_texts(columns)) == [key_text(row) for row in rows]


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_different_texts_are_different_keys(one: list[str], other: list[str]) -> None:
    assert (key_text(one) == key_text(other)) == (one == other)

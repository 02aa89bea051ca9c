"""Fast layers hold every stage's table and statistics, and refuse what is not one."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from jomon.core.errors import BuildError, CorruptError, JomonError, StoreError
from jomon.engine.fasttable import FastState, read_fast, write_fast


def _state(rng, size):
    codes = np.sort(rng.choice(2**50, size, replace=False)) - 2**49
    extra = {"weight": rng.random(size), "moments.2": rng.random((size, 3))}
    meta = {"half_life": 1.5, "until": "2013-09-01", "zone": "Á"}
    return FastState(codes, rng.normal(size=size), rng.random(size), rng.normal(size=size), extra, meta)


def _equal(a, b):
    if a is None or b is None:
        return a is b
    same = all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("codes", "offset", "slope", "center"))
    extra = a.extra.keys() == b.extra.keys() and all(np.array_equal(a.extra[n], b.extra[n]) for n in a.extra)
    return same and extra and a.meta == b.meta


@given(seed=st.integers(0, 10**6), sizes=st.lists(st.one_of(st.none(), st.integers(0, 20)), max_size=4))
def test_tables_written_and_read_back_are_equal_and_bytes_deterministic(seed, sizes):
    rng = np.random.default_rng(seed)
    states = [None if size is None else _state(rng, size) for size in sizes]
    data = write_fast(states)
    again = read_fast(data)
    assert len(again) == len(states)
    assert all(_equal(a, b) for a, b in zip(states, again, strict=True))
    assert write_fast(again) == data
    assert {f"{s}:offset" for s, state in enumerate(states) if state} <= safetensors.numpy.load(data).keys()


def test_a_table_that_contradicts_itself_is_refused():
    codes, one, two = np.array([1, 2]), np.zeros(1), np.zeros(2)
    for arguments in (
        (codes, one, two, two),
        (codes[::-1], two, two, two),
        (codes, two + np.nan, two, two),
        (codes, two, two, two, {"n": one}),
    ):
        with pytest.raises(BuildError, match="fast table"):
            FastState(*arguments)
    with pytest.raises(BuildError, match="name a statistic"):
        write_fast([FastState(codes, two, two, two, {"a b": two})])


def test_a_newer_format_and_other_files_are_refused():
    data = write_fast([])
    with pytest.raises(StoreError, match="newer"):
        read_fast(data.replace(b'"version":"1"', b'"version":"9"'))
    with pytest.raises(CorruptError, match="not a fast layer"):
        read_fast(data.replace(b"jomon.fast", b"jomon.slow"))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_layer_with_bytes_changed_is_refused_or_still_a_table(data):
    layer = bytearray(write_fast([_state(np.random.default_rng(0), 3), None]))
    at = data.draw(st.integers(0, len(layer) - 1))
    new = data.draw(st.binary(max_size=8))
    layer[at : at + data.draw(st.integers(0, 8))] = new
    try:
        states = read_fast(bytes(layer))
    except JomonError:
        return
    assert all(state is None or state.table.problem is None for state in states)

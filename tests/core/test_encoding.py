"""The encoder keeps codes stable, refuses what it must and reads back what it wrote."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.columns import table_from_mapping
from jomon.core.encoding import FeatureEncoder
from jomon.core.errors import CorruptError, PredictError
from jomon.core.spec import FeaturesSpec
from jomon.core.table import Coded, Table

FEATURES = FeaturesSpec(
    numeric=("distance",), categorical=("carrier", "origin"), calendar=("hour", "year_phase")
)
carriers = st.lists(st.sampled_from(["UA", "AA", "DL", "B6", "é", ""]) | st.none(), min_size=1, max_size=12)


def table(carrier: list[str | None], /, **more: object) -> Table:
    n = len(carrier)
    columns = {
        "distance": [float(row) for row in range(n)],
        "carrier": carrier,
        "origin": ["EWR"] * n,
        "hour": [5.0] * n,
        "year_phase_sin": [0.0] * n,
        "year_phase_cos": [1.0] * n,
    } | more
    return table_from_mapping(columns, np.zeros(n, dtype=np.int64))


def column(encoder: FeatureEncoder, rows: Table, name: str) -> list[float | None]:
    values = encoder.encode(rows)[:, encoder.names.index(name)]
    return [None if np.isnan(value) else float(value) for value in values]


def test_names_go_numeric_categorical_calendar_and_the_year_takes_two() -> None:
    encoder = FeatureEncoder.fit(table(["UA", "AA"]), FEATURES)
    assert encoder.names == ("distance", "carrier", "origin", "hour", "year_phase_sin", "year_phase_cos")
    assert encoder.categorical == (1, 2)
    assert encoder.sizes == (2, 1)
    assert encoder.positions(["year_phase", "carrier"]) == (4, 5, 1)


def test_the_matrix_is_float64_row_after_row() -> None:
    rows = table(["UA", None, "AA"])
    matrix = FeatureEncoder.fit(rows, FEATURES).encode(rows)
    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous
    np.testing.assert_array_equal(matrix[0], [0, 1, 0, 5, 0, 1])
    np.testing.assert_array_equal(matrix[1], [1, np.nan, 0, 5, 0, 1])


@given(carriers)
def test_a_vocabulary_is_the_values_that_occur_in_sorted_order(carrier: list[str | None]) -> None:
    encoder = FeatureEncoder.fit(table(carrier), FEATURES)
    known = sorted({value for value in carrier if value is not None})
    assert encoder.vocabularies["carrier"] == tuple(known)
    assert column(encoder, table(carrier), "carrier") == [
        None if v is None else known.index(v) for v in carrier
    ]


def test_values_without_rows_are_no_part_of_the_vocabulary() -> None:
    coded = Coded(np.array([2, 0], dtype=np.int32), ("b", "never", "a"))
    assert FeatureEncoder.fit(table(["x", "y"], carrier=coded), FEATURES).vocabularies["carrier"] == (
        "a",
        "b",
    )


@given(carriers, carriers, carriers)
def test_codes_of_a_base_are_kept_and_new_values_follow_sorted(
    first: list[str | None], second: list[str | None], third: list[str | None]
) -> None:
    base = FeatureEncoder.fit(table(first), FEATURES)
    grown = FeatureEncoder.fit(table(second), FEATURES, base)
    old, new = base.vocabularies["carrier"], grown.vocabularies["carrier"]
    assert new[: len(old)] == old
    assert list(new[len(old) :]) == sorted({v for v in second if v is not None} - set(old))
    before, after = column(base, table(third), "carrier"), column(grown, table(third), "carrier")
    assert all(a == b for a, b in zip(before, after, strict=True) if a is not None)


@given(
    carriers, st.permutations(["distance", "carrier", "origin", "hour", "year_phase_sin", "year_phase_cos"])
)
def test_the_order_of_columns_and_the_coding_of_a_column_do_not_matter(
    carrier: list[str | None], order: list[str]
) -> None:
    rows = table(carrier)
    encoder = FeatureEncoder.fit(rows, FEATURES)
    codes = rows.columns["carrier"]
    shuffled = {name: rows.columns[name] for name in order}
    if isinstance(codes, Coded):
        values = ("spare", *reversed(codes.values))
        turned = np.where(codes.codes < 0, -1, len(codes.values) - codes.codes)
        shuffled["carrier"] = Coded(turned.astype(np.int32), values)
    again = Table(rows.time, shuffled)
    assert FeatureEncoder.fit(again, FEATURES) == encoder
    np.testing.assert_array_equal(encoder.encode(again), encoder.encode(rows))


def test_an_unseen_category_is_missing_by_default() -> None:
    encoder = FeatureEncoder.fit(table(["UA", "AA"]), FEATURES)
    assert column(encoder, table(["AA", "ZZ", None]), "carrier") == [0, None, None]


def test_an_unseen_category_is_refused_where_so_declared_and_a_missing_one_is_not() -> None:
    strict = FeaturesSpec(numeric=("distance",), categorical=("carrier",), unseen="error")
    encoder = FeatureEncoder.fit(table(["UA", "AA"]), strict)
    assert column(encoder, table(["AA", None]), "carrier") == [0, None]
    with pytest.raises(PredictError, match=r"Row 1 of column 'carrier' holds 'UAL'.*such as 'UA'"):
        encoder.encode(table(["AA", "UAL"]))
    unused = Coded(np.array([0], dtype=np.int32), ("AA", "ZZ"))
    assert column(encoder, table(["x"], carrier=unused), "carrier") == [0]


@pytest.mark.parametrize(
    ("known", "choice"),
    [
        (["b", "a"], r"a known one \('a', 'b'\)"),
        (list("abcdefg"), r"a known one \('a', 'b', 'c', 'd', 'e', \.\.\.\)"),
        ([None], r"an empty value \(training saw none\)"),
    ],
)
def test_a_refused_category_without_a_neighbour_is_told_what_is_known(
    known: list[str | None], choice: str
) -> None:
    encoder = FeatureEncoder.fit(table(known), FeaturesSpec(categorical=("carrier",), unseen="error"))
    with pytest.raises(PredictError, match=choice):
        encoder.encode(table(["quite another"]))


def test_numbers_as_categories_match_their_text() -> None:
    encoder = FeatureEncoder.fit(table(["7", "12"]), FEATURES)
    assert column(encoder, table(["x", "y", "z"], carrier=[7.0, 12, None]), "carrier") == [1, 0, None]


def test_truth_values_as_numbers_are_one_and_zero() -> None:
    encoder = FeatureEncoder.fit(table(["UA"]), FEATURES)
    assert column(encoder, table(["UA"] * 3, distance=[True, False, None]), "distance") == [1, 0, None]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"distance": [1.0, np.inf]}, "Row 1 of column 'distance' is inf: send a finite number"),
        ({"distance": ["1", "far"]}, "Row 0 of column 'distance' holds the text '1': send a number"),
        ({"carrier": [1.0, -np.inf]}, "Row 1 of column 'carrier' is -inf"),
    ],
)
def test_values_of_the_wrong_kind_are_refused_with_row_and_column(
    columns: dict[str, object], message: str
) -> None:
    encoder = FeatureEncoder.fit(table(["UA", "AA"]), FEATURES)
    with pytest.raises(PredictError, match=message):
        encoder.encode(table(["UA", "AA"], **columns))


def test_a_missing_column_is_named_with_its_nearest_neighbour() -> None:
    rows = table(["UA"])
    encoder = FeatureEncoder.fit(rows, FEATURES)
    renamed = {"carier" if name == "carrier" else name: values for name, values in rows.columns.items()}
    with pytest.raises(PredictError, match="no column 'carrier'; the nearest column is 'carier'"):
        encoder.encode(Table(rows.time, renamed))
    with pytest.raises(PredictError, match=r"no column 'distance': add it"):
        encoder.encode(Table(rows.time, {}))
    with pytest.raises(PredictError, match="no column 'carrier'"):
        FeatureEncoder.fit(Table(rows.time, {}), FEATURES)


@given(carriers, st.sampled_from(["missing", "error"]))
def test_the_canonical_form_is_plain_json_and_reads_back_as_the_same_encoder(
    carrier: list[str | None], unseen: str
) -> None:
    encoder = FeatureEncoder.fit(table(carrier), FEATURES.model_copy(update={"unseen": unseen}))
    assert FeatureEncoder.from_canonical(json.loads(json.dumps(encoder.canonical()))) == encoder


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"names": ["a"], "vocabularies": {"b": ["x"]}, "unseen": "missing"},
        {"names": ["a"], "vocabularies": {"a": [1]}, "unseen": "missing"},
        {"names": ["a", "a"], "vocabularies": {}, "unseen": "missing"},
        {"names": ["a"], "vocabularies": {"a": ["x", "x"]}, "unseen": "missing"},
        {"names": ["a"], "vocabularies": {}, "unseen": "ignore"},
        {"names": None, "vocabularies": {}, "unseen": "missing"},
    ],
)
def test_a_document_that_is_no_encoder_is_corrupt(document: dict[str, object]) -> None:
    with pytest.raises(CorruptError, match="encoder of this image"):
        FeatureEncoder.from_canonical(document)


def test_no_rows_make_an_empty_matrix() -> None:
    encoder = FeatureEncoder.fit(table(["UA"]), FEATURES)
    assert encoder.encode(table([])).shape == (0, 6)

"""Fleets behind fit and predict, on data frames and arrays."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import UTC, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import jomon
from jomon import FleetClassifier, FleetRegressor
from jomon.project.home import Home
from jomon.store.memory import MemoryStore

COLUMNS = ["time", "shop", "price", "promo"]
LOCAL = [{"level": []}, {"level": ["shop"], "keep": "always"}]
FACTORIES = [
    {"level": [], "estimator": "sklearn.ensemble:HistGradientBoostingClassifier", "params": {"max_iter": 20}},
    {"level": ["x1"], "estimator": "sklearn.linear_model:Ridge", "keep": "always"},
]


@pytest.fixture(scope="module")
def fitted(shops, timed):
    return FleetClassifier(**timed).fit(shops[COLUMNS], shops["sold"])


def test_members_of_segments_are_fitted_judged_and_bring_what_a_root_cannot_know(shops, timed, fitted):
    root_alone = {**timed, "stages": timed["stages"][:1], "numeric": ["price", "promo"]}
    root = FleetClassifier(**root_alone).fit(shops[COLUMNS], shops["sold"])
    assert fitted.fallback_ is None
    assert [stage["verdict"] for stage in fitted.fleet_.stages][:2] == ["accepted", "accepted"]
    assert all(fitted.fleet_.member(f"shop={shop}")["serving"] for shop in ("north", "south"))
    assert fitted.score(shops[COLUMNS], shops["sold"]) > root.score(shops[COLUMNS], shops["sold"]) + 0.05


def test_classes_probabilities_and_margins_agree(shops, fitted):
    X = shops[COLUMNS]
    p, margin = fitted.predict_proba(X), fitted.decision_function(X)
    assert list(fitted.classes_) == ["no", "yes"]
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp(-margin)))
    assert (fitted.predict(X) == np.where(p[:, 1] > 0.5, "yes", "no")).all()


def test_route_names_the_segment_of_every_level(shops, fitted):
    first = fitted.route(shops[COLUMNS][:1])[0]
    shop = shops["shop"][0]
    assert [step.segment for step in first] == ["(all)", f"shop={shop}", f"shop={shop} hour_band=night"]
    assert [step.active for step in first][::2] == [True, True]


def test_polars_pandas_and_times_with_a_zone_give_the_same_image(shops, timed, fitted):
    X = shops[COLUMNS]
    polars = pl.DataFrame({name: X[name].to_numpy() for name in ("time", "price", "promo")})
    polars = polars.with_columns(pl.Series("shop", X["shop"].tolist()))[COLUMNS]
    zoned = X.assign(time=X["time"].dt.tz_localize("Europe/Paris"))
    for same in (polars, zoned):
        other = FleetClassifier(**timed).fit(same, shops["sold"])
        assert other.fleet_.digest == fitted.fleet_.digest
        assert (other.predict_proba(same) == fitted.predict_proba(X)).all()


def test_a_clone_fitted_in_two_processes_gives_the_same_image(shops, fitted):
    again = clone(fitted).set_params(n_jobs=2).fit(shops[COLUMNS], shops["sold"])
    assert again.fleet_.digest == fitted.fleet_.digest


def test_the_order_of_timed_rows_does_not_matter(shops, timed, fitted):
    shuffled = shops.sample(frac=1.0, random_state=1)
    other = FleetClassifier(**timed).fit(shuffled[COLUMNS], shuffled["sold"])
    assert other.fleet_.digest == fitted.fleet_.digest


def test_a_pickle_is_little_more_than_the_image_and_answers_the_same(shops, fitted):
    fitted.predict(shops[COLUMNS][:5])
    data = pickle.dumps(fitted)
    assert len(data) < fitted.fleet_.size_bytes + 10_000
    again = pickle.loads(data)
    assert (again.predict_proba(shops[COLUMNS]) == fitted.predict_proba(shops[COLUMNS])).all()


def test_a_saved_fleet_answers_from_its_store_under_its_name(shops, fitted, tmp_path):
    digest = fitted.save(tmp_path, "shops:v1")
    fleet = jomon.load_fleet("shops:v1", tmp_path)
    assert (fleet.name, fleet.digest, fleet.members) == ("shops", digest, fitted.fleet_.members)
    assert (fleet.predict_proba(shops[COLUMNS]) == fitted.predict_proba(shops[COLUMNS])).all()
    entry = Home(tmp_path).images.images()[0]
    assert (entry.repository, entry.tag) == ("shops", "v1")


def test_a_saved_image_shares_every_layer_but_the_one_that_names_it(fitted):
    store = MemoryStore()
    one, two = (store.manifest(fitted.save(store, name)) for name in ("shops:v1", "other:v1"))
    differing = {layer.digest for layer in one.layers} ^ {layer.digest for layer in two.layers}
    assert len(differing) == 2


@pytest.mark.parametrize("name", ["Shops:v1", "shops@sha256:" + "0" * 64, "a__b:v1"])
def test_a_name_that_no_fleet_can_have_is_refused(fitted, name):
    with pytest.raises(jomon.core.errors.JomonError):
        fitted.save(MemoryStore(), name)


def test_without_a_time_rows_count_as_in_order_and_stages_are_judged(shops):
    X = shops[["shop", "price"]]
    fleet = FleetClassifier(LOCAL).fit(X, shops["sold"])
    assert fleet.fallback_ is None
    assert fleet.fleet_.stages[1]["serving"] == 3
    assert fleet.score(X, shops["sold"]) > 0.6


def test_a_fleet_without_a_time_answers_after_it_was_saved_when_sent_any(shops, tmp_path):
    X = shops[["shop", "price"]]
    fleet = FleetClassifier(LOCAL).fit(X, shops["sold"])
    fleet.save(tmp_path, "plain")
    answers = jomon.load_fleet("plain", tmp_path).predict_proba(X.assign(time=pd.Timestamp("2030-01-01")))
    assert (answers == fleet.predict_proba(X)).all()


@pytest.mark.parametrize("rows", [20, 60, 119])
def test_too_few_rows_for_blocks_of_time_leave_the_root_alone_and_say_so(shops, rows):
    fleet = FleetClassifier(LOCAL).fit(shops[["shop", "price"]][:rows], shops["sold"][:rows])
    assert f"{rows} rows are fewer" in fleet.fallback_
    assert fleet.fleet_.members == 1


def test_too_few_days_for_blocks_of_time_leave_the_root_alone_and_say_so(shops, timed):
    X = shops[COLUMNS].assign(time=shops["time"].dt.floor("1000h"))
    fleet = FleetClassifier(**timed).fit(X, shops["sold"])
    assert "days cannot be cut" in fleet.fallback_
    assert [stage["level"] for stage in fleet.fleet_.stages] == [[]]


def test_counts_are_fitted_by_their_rates(shops):
    X = shops[["shop", "price"]]
    fleet = FleetRegressor(LOCAL, kind="count").fit(X, shops["items"])
    expected = fleet.predict(X)
    assert (expected > 0).all()
    assert expected.sum() == pytest.approx(shops["items"].sum(), rel=0.1)
    assert fleet.score(X, shops["items"]) > 0.2


def test_an_array_has_columns_that_levels_and_categories_may_name(shops):
    X = np.column_stack([shops["price"], shops["shop"].map({"north": 0, "south": 1, "west": 2})])
    stages = [{"level": []}, {"level": ["x1"], "keep": "always"}]
    fleet = FleetClassifier(stages, categorical=["x1"]).fit(X, shops["sold"])
    assert fleet.route(X[:1])[0][1].segment == f"x1={X[0, 1]:.0f}"


def test_members_of_any_estimator_are_kept_and_pickled(shops):
    X = np.column_stack([shops["price"].fillna(0.0), shops["shop"].map({"north": 0, "south": 1, "west": 2})])
    fleet = FleetClassifier(FACTORIES).fit(X, shops["sold"])
    assert fleet.fleet_.stages[1]["serving"] == 3
    assert (pickle.loads(pickle.dumps(fleet)).predict(X) == fleet.predict(X)).all()


def test_it_works_within_pipelines_and_searches_over_time(shops):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), FleetRegressor()),
        {"fleetregressor__stages": [None, [{"level": [], "estimator": "linear"}]]},
        cv=TimeSeriesSplit(2),
    )
    X = shops[["price"]].fillna(0.0)
    search.fit(X, 3.0 * X["price"])
    assert search.best_params_["fleetregressor__stages"] is not None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"time": None}, "Without a time column there is no calendar"),
        ({"time": "tim"}, "X has no column 'tim'; did you mean 'time'?"),
        ({"categorical": "shop"}, "categorical is a list of names of columns, not 'shop'."),
        ({"numeric": ["prise"]}, "did you mean 'price'?"),
        ({"stages": [{"level": []}, {"level": ["shopp"]}]}, "did you mean 'shop'?"),
        ({"stages": [{"level": []}]}, "Column 'shop' does not hold numbers"),
        ({"stages": [{"level": ["shop"]}]}, "stages[0].level: the first stage has to be the whole fleet"),
        ({"stages": [{"level": "shop"}], "categorical": ["shop"]}, "stages[0].level"),
        ({"stages": ["shop"]}, "stages is a list of mappings"),
        ({"timezone": "Europe/Pariss"}, "did you mean 'Europe/Paris'?"),
        ({"axes": {"hour_band": {"day": "6-20", "night": "22-5"}}}, "hour 21 is missing"),
        ({"keep": "never"}, "choose from not_worse, better, always"),
    ],
)
def test_a_wrong_parameter_is_told_in_a_sentence(shops, timed, change, told):
    with pytest.raises(ValueError) as caught:
        FleetClassifier(**{**timed, **change}).fit(shops[COLUMNS], shops["sold"])
    assert isinstance(caught.value, jomon.core.errors.JomonError)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("estimator", "y", "told"),
    [
        (FleetRegressor(kind="count"), [-1.0, 2.0], "A count is 0 or more"),
        (FleetRegressor(kind="rate"), [1.0, 2.0], "kind is 'regression' or 'count'"),
        (FleetRegressor(), [3.0, 3.0], "there is nothing to learn"),
        (FleetClassifier(known_after="1d"), [0, 1], "drop known_after"),
        (FleetClassifier(), ["a", "a"], "one class alone"),
        (FleetClassifier(), ["a", np.nan], "NaN"),
    ],
)
def test_an_outcome_that_cannot_be_learned_is_told(estimator, y, told):
    with pytest.raises(ValueError, match=told):
        estimator.fit([[0.0], [1.0]], np.array(y, object if isinstance(y[0], str) else None))


def test_a_frame_with_an_infinite_number_or_a_name_twice_is_refused(shops):
    X = shops[["price"]].assign(price=np.inf)
    with pytest.raises(ValueError, match="infinity"):
        FleetRegressor().fit(X, shops["items"])
    twice = pd.concat([shops[["price"]], shops[["price"]]], axis=1)
    with pytest.raises(ValueError, match="unique column names"):
        FleetRegressor().fit(twice, shops["items"])


def test_an_outcome_is_not_learned_from_before_it_is_known(shops, timed):
    """Fast parts see it a day later, so a longer wait gives another fleet."""
    waits = [timedelta(hours=12), timedelta(days=9)]
    fleets = [
        FleetClassifier(**{**timed, "known_after": wait}).fit(shops[COLUMNS], shops["sold"]) for wait in waits
    ]
    assert fleets[0].fleet_.spec.data.target.known_after == waits[0]
    assert fleets[0].fleet_.digest != fleets[1].fleet_.digest


def test_importing_jomon_does_not_import_scikit_learn():
    code = "import sys, jomon; print('sklearn' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_where_scikit_learn_is_missing_a_sentence_says_how_to_get_it():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import jomon\nfrom jomon.core.errors import JomonError\n"
        "try: jomon.FleetClassifier\nexcept JomonError as error: print(error)"
    )
    told = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert told.strip().endswith("pip install 'jomon[sklearn]'.")


def test_the_time_of_rows_may_be_in_any_zone(shops, timed, fitted):
    X = shops[COLUMNS]
    utc = X.assign(time=X["time"].dt.tz_localize("Europe/Paris").dt.tz_convert(UTC))
    assert (fitted.predict_proba(utc) == fitted.predict_proba(X)).all()


def test_a_row_whose_shop_is_missing_or_new_is_answered_by_the_root(shops):
    fleet = FleetClassifier(LOCAL).fit(shops[["shop", "price"]], shops["sold"])
    X = pd.DataFrame({"shop": [None, "moon", "north"], "price": [0.5, 0.5, 0.5]})
    reasons = [[step.reason for step in route] for route in fleet.route(X)]
    assert reasons[0] == ["answers", "no value for shop"]
    assert reasons[1] == ["answers", "no member: no rows of this segment in training"]
    assert reasons[2] == ["answers", "answers"]
    margin = fleet.decision_function(X)
    assert margin[0] == margin[1] != margin[2]


def test_a_row_without_its_time_is_refused_by_its_number(shops, fitted):
    X = shops[COLUMNS][:10].assign(time=shops["time"][:10].where(np.arange(10) != 4))
    with pytest.raises(jomon.core.errors.PredictError, match="Row 4: time is missing"):
        fitted.predict(X)

from __future__ import annotations

from jomon.core.estimator_params import param_names, param_problems


def test_every_lightgbm_name_is_one_that_lightgbm_knows_by_the_same_main_name() -> None:
    from lightgbm.basic import _ConfigAliases

    real = {
        alias: name for name, aliases in _ConfigAliases._get_all_param_aliases().items() for alias in aliases
    }
    known = param_names("lightgbm")
    assert known is not None
    assert {alias: real.get(alias) for alias in known} == known


def test_a_factory_of_ones_own_takes_any_parameter() -> None:
    assert param_names("mine:make") is None
    assert list(param_problems("mine:make", ["anything"])) == []


def test_main_names_and_aliases_are_taken() -> None:
    assert list(param_problems("lightgbm", ["num_leaves", "eta", "n_estimators"])) == []
    assert (
        list(param_problems("linear", ["l2"])) == list(param_problems("baseline", ["by", "prior_rows"])) == []
    )

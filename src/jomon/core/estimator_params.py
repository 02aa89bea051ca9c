"""The parameters that a stage may hand to its estimator, so that a misspelt one is told and not passed over.

A factory of one's own takes what it takes. LightGBM's names and aliases are those of LightGBM 4: to follow a
newer one, compare with `lightgbm.basic._ConfigAliases._get_all_param_aliases()`, as the test of this file
does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from jomon.core.suggest import ending

# parameter: its aliases; left out is what reads files, talks to devices or machines, or only serves predict
_LIGHTGBM: Mapping[str, str] = {
    "bagging_fraction": "bagging sub_row subsample",
    "bagging_freq": "subsample_freq",
    "bagging_seed": "bagging_fraction_seed",
    "bin_construct_sample_cnt": "subsample_for_bin",
    "cat_l2": "",
    "cat_smooth": "",
    "cegb_penalty_feature_coupled": "",
    "cegb_penalty_feature_lazy": "",
    "cegb_penalty_split": "",
    "cegb_tradeoff": "",
    "data_random_seed": "data_seed",
    "data_sample_strategy": "",
    "enable_bundle": "bundle is_enable_bundle",
    "extra_seed": "",
    "extra_trees": "extra_tree",
    "feature_contri": "fc feature_contrib feature_penalty fp",
    "feature_fraction": "colsample_bytree sub_feature",
    "feature_fraction_bynode": "colsample_bynode sub_feature_bynode",
    "feature_fraction_seed": "",
    "feature_pre_filter": "",
    "interaction_constraints": "",
    "is_unbalance": "unbalance unbalanced_sets",
    "lambda_l1": "l1_regularization reg_alpha",
    "lambda_l2": "l2_regularization lambda reg_lambda",
    "learning_rate": "eta shrinkage_rate",
    "max_bin": "max_bins",
    "max_bin_by_feature": "",
    "max_cat_threshold": "",
    "max_cat_to_onehot": "",
    "max_delta_step": "max_leaf_output max_tree_output",
    "max_depth": "",
    "min_data_in_bin": "",
    "min_data_in_leaf": "min_child_samples min_data min_data_per_leaf min_samples_leaf",
    "min_data_per_group": "",
    "min_gain_to_split": "min_split_gain",
    "min_sum_hessian_in_leaf": "min_child_weight min_hessian min_sum_hessian min_sum_hessian_per_leaf",
    "monotone_constraints": "mc monotone_constraint monotonic_cst",
    "monotone_constraints_method": "mc_method monotone_constraining_method",
    "monotone_penalty": "mc_penalty monotone_splits_penalty ms_penalty",
    "neg_bagging_fraction": "neg_bagging neg_sub_row neg_subsample",
    "num_grad_quant_bins": "",
    "num_iterations": "max_iter n_estimators n_iter nrounds num_boost_round num_iteration num_round "
    "num_rounds num_tree num_trees",
    "num_leaves": "max_leaf max_leaf_nodes max_leaves num_leaf",
    "other_rate": "",
    "path_smooth": "",
    "poisson_max_delta_step": "",
    "pos_bagging_fraction": "pos_bagging pos_sub_row pos_subsample",
    "quant_train_renew_leaf": "",
    "scale_pos_weight": "",
    "stochastic_rounding": "",
    "top_rate": "",
    "use_missing": "",
    "use_quantized_grad": "",
    "zero_as_missing": "",
}  # fmt: skip
# what decides that equal rows give equal bytes, and what follows from the kind of the target
_SET_BY_JOMON: Mapping[str, str] = {
    "objective": "app application loss objective_type",
    "metric": "metric_types metrics",
    "num_threads": "n_jobs nthread nthreads num_thread",
    "deterministic": "",
    "force_row_wise": "",
    "force_col_wise": "",
    "verbosity": "verbose",
    "linear_tree": "linear_trees",
    "boosting": "boost boosting_type",
    "seed": "random_seed random_state",
}  # fmt: skip
_NAMES: Mapping[str, Mapping[str, str]] = {
    "lightgbm": _LIGHTGBM,
    "linear": {"l2": ""},
    "baseline": {"by": "", "prior_rows": ""},
}


def param_names(estimator: str) -> dict[str, str] | None:
    """Every name that `params` of this estimator may have, with the main name it stands for; None: any."""
    known = _NAMES.get(estimator)
    return None if known is None else _with_aliases(known)


def param_problems(estimator: str, params: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each parameter that this estimator does not take, with the sentence that says so."""
    known = param_names(estimator)
    if known is None:
        return
    first: dict[str, str] = {}
    for name in params:
        if name in known:
            other = first.setdefault(known[name], name)
            if other != name:
                yield name, f"{name!r} is another name of {other!r}; keep one."
        elif estimator == "lightgbm" and name in _with_aliases(_SET_BY_JOMON):
            yield name, f"{name!r} is set by jomon, so that a build can be repeated; delete it."
        else:
            yield name, f"{name!r} is not a parameter of {estimator}{ending(name, known, 'delete it')}"


def _with_aliases(names: Mapping[str, str]) -> dict[str, str]:
    return {alias: name for name, aliases in names.items() for alias in (name, *aliases.split())}

"""What estimates without outcomes promise: coverage where the assumption holds and where days differ, and refusal."""

import numpy as np
import pytest

from jomon.monitoring.estimating import EstimatingRules, estimate_performance
from jomon.monitoring.score_table import score_edges, score_table

WINDOWS, MEMBERS, FIRST = 90, 12, 20


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simulated(kind, seed, *, days=0.0, rows=120, shift=0.4, windows=WINDOWS):
    """Rows of a fleet whose scores move from window to window and whose answers are not calibrated; `days` is the
    spread of what windows share, and half of it that of a member's own."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(rows, (windows, MEMBERS))
    window = np.repeat(np.arange(windows), n.sum(axis=1))
    member = np.concatenate([np.repeat(np.arange(MEMBERS), each) for each in n])
    bent = rng.normal(0, 0.2, MEMBERS)[member]
    shared = rng.normal(0, 1, windows)[window] + 0.5 * rng.normal(0, 1, (windows, MEMBERS))[window, member]
    moved = rng.normal(0, shift, windows)[window]
    margin = rng.normal(-1.0, 0.8, len(window)) + moved
    if kind == "binary":
        target = (rng.random(len(window)) < sigmoid(0.8 * margin - 0.3 + bent + days * shared)).astype(float)
    elif kind == "count":
        margin = margin + 3.0
        target = rng.poisson(np.exp(margin + 0.1 * bent + 0.3 * days * shared)).astype(float)
    else:
        target = margin + rng.normal(0, np.exp(0.3 * margin + bent + days * shared))
    return margin, target, window, member


def estimated(kind, data, rules=None, known=1, outside=None):
    margin, target, window, member = data
    table = score_table(
        kind, margin, target, window, [member], score_edges(margin[window < FIRST]), outside=outside
    )
    return estimate_performance(table, np.arange(table.windows) + known, rules), table


def coverage(found, metric):
    truth, low, high = (a[metric][FIRST:] for a in (found.realised, found.low, found.high))
    known = np.isfinite(truth) & np.isfinite(low)
    return ((truth >= low) & (truth <= high))[known].mean(), known.mean()


@pytest.mark.parametrize("days", [0.0, 0.4])
def test_intervals_of_a_binary_fleet_cover(days):
    inside = {}
    for seed in range(2):
        found, _ = estimated("binary", simulated("binary", seed, days=days))
        for metric in ("log_loss", "roc_auc", "brier"):
            share, known = coverage(found, metric)
            inside.setdefault(metric, []).append(share)
            assert known > 0.9
    assert all(0.93 <= np.mean(shares) <= 0.97 for shares in inside.values()), inside


@pytest.mark.parametrize("kind", ["count", "regression"])
@pytest.mark.parametrize("days", [0.0, 0.3])
def test_intervals_of_losses_cover(kind, days):
    inside = {}
    for seed in range(2):
        found, table = estimated(kind, simulated(kind, seed, days=days))
        for metric in table.losses:
            share, known = coverage(found, metric)
            inside.setdefault(metric, []).append(share)
            assert known > 0.9
    assert all(0.93 <= np.mean(shares) <= 0.97 for shares in inside.values()), inside


def test_estimates_follow_shifted_scores_where_the_mean_of_earlier_windows_does_not():
    found, _ = estimated("binary", simulated("binary", 7, shift=0.5))
    truth, said = found.realised["log_loss"], found.value["log_loss"]
    before = np.cumsum(truth, axis=0) / np.arange(1, WINDOWS + 1)[:, None]
    ours = np.abs(truth - said)[FIRST:, 0].mean()
    assert ours < 0.4 * np.abs(truth[FIRST:] - before[FIRST - 1 : -1])[:, 0].mean()


def test_a_changed_level_is_followed_as_soon_as_its_outcomes_are_known():
    margin, target, window, member = simulated("binary", 8, rows=200)
    rng = np.random.default_rng(8)
    target = np.where((window >= 50) & (rng.random(len(window)) < 0.3), 1.0, target)
    found, _ = estimated("binary", (margin, target, window, member))
    errors = np.abs(found.realised["log_loss"] - found.value["log_loss"])[:, 0]
    assert errors[50] > 0.1
    assert errors[53:60].mean() < 0.4 * errors[50]


def test_nothing_leaks_from_windows_whose_outcomes_are_not_known_yet():
    margin, target, window, member = simulated("binary", 9, windows=40)
    early, _ = estimated("binary", (margin, target, window, member), known=3)
    rng = np.random.default_rng(0)
    changed = np.where(window >= 28, (rng.random(len(window)) < 0.9).astype(float), target)
    late, _ = estimated("binary", (margin, changed, window, member), known=3)
    unknown, _ = estimated(
        "binary", (margin, np.where(window >= 28, np.nan, target), window, member), known=3
    )
    for other in (late, unknown):
        for metric in early.metrics:
            for a, b in ((early.value, other.value), (early.low, other.low), (early.high, other.high)):
                np.testing.assert_array_equal(a[metric][:31], b[metric][:31])
    assert not np.array_equal(early.value["log_loss"][31], late.value["log_loss"][31])


def test_too_few_rows_and_too_few_windows_are_refused_with_the_reason():
    margin, target, window, member = simulated("binary", 10, windows=30)
    keep = (member != 3) | (window != 25) | (np.arange(len(window)) % 20 == 0)
    found, _ = estimated("binary", (margin[keep], target[keep], window[keep], member[keep]))
    few = found.at("log_loss", 25, 4)
    assert not few.known
    assert few.reason.endswith("rows, and 30 are needed")
    assert found.at("log_loss", 2, 0).reason == "outcomes of 2 earlier windows are known, and 4 are needed"
    assert "earlier estimates can be judged" in found.at("log_loss", 6, 0).reason
    good = found.at("log_loss", 25, 5)
    assert good.bounded
    assert good.blocks == 25


def test_rows_outside_of_earlier_windows_are_refused():
    data = simulated("binary", 11, windows=40)
    outside = (data[2] == 33) & (data[3] == 2)
    found, _ = estimated("binary", data, outside=outside)
    assert found.at("brier", 33, 3).reason == "100% of rows have values that no earlier window had"
    assert found.at("brier", 33, 0).known
    assert found.at("brier", 34, 3).known


def test_scores_that_leave_the_reference_are_refused():
    margin, target, window, member = simulated("binary", 12, windows=40, shift=0.1)
    margin = np.where(window == 35, margin + 2.5, margin)
    found, _ = estimated("binary", (margin, target, window, member))
    refused = [not found.at("log_loss", 35, at).known for at in range(MEMBERS + 1)]
    assert all(refused)
    assert "farther" in found.at("log_loss", 35, 0).reason
    assert sum(not found.at("log_loss", w, 0).known for w in range(FIRST, 35)) == 0


def test_poor_estimates_in_the_past_are_refused():
    rng = np.random.default_rng(13)
    margin, _, window, member = simulated("binary", 13, shift=0.8)
    # Scores move, and how often events happen does not follow them: the assumption is wrong.
    target = (rng.random(len(margin)) < sigmoid(margin - margin_mean(margin, window) - 1.0)).astype(float)
    found, _ = estimated("binary", (margin, target, window, member), EstimatingRules(drift=1e9))
    reasons = {found.at("log_loss", w, 0).reason for w in range(60, WINDOWS)}
    assert "earlier estimates erred more than the mean of earlier windows would have" in reasons


def margin_mean(margin, window):
    return (np.bincount(window, margin) / np.bincount(window))[window]


def test_the_confusion_matrix_adds_up_and_bounds_stay_possible():
    found, _ = estimated("binary", simulated("binary", 14, windows=40))
    total = sum(found.value[name] for name in ("tp", "fp", "fn", "tn"))
    known = np.isfinite(total)
    np.testing.assert_allclose(total[known], 1.0)
    for metric in found.metrics:
        low = found.low[metric][np.isfinite(found.low[metric])]
        assert (low >= 0).all()


def test_a_fleet_without_members_and_a_window_without_rows():
    margin, target, window, _ = simulated("count", 15, windows=30)
    keep = window != 20
    table = score_table(
        "count", margin[keep], target[keep], window[keep], [], score_edges(margin), windows=30
    )
    found = estimate_performance(table, np.arange(30) + 1)
    assert not found.at("absolute_error", 20, 0).known
    assert found.at("absolute_error", 21, 0).bounded

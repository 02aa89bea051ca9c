import numpy as np

from jomon.stats.level_forecast import forecast_level


def forecasts(levels, first=15):
    """Errors of forecasts one window ahead, and of saying 0, and of saying the last value."""
    out = []
    for now in range(first, len(levels)):
        said = forecast_level(levels[:now], np.arange(now, 0, -1)).value
        out.append((levels[now] - said, levels[now], levels[now] - levels[now - 1]))
    return np.abs(np.array(out)).mean(axis=0)


def test_a_level_that_wanders_is_followed():
    rng = np.random.default_rng(3)
    ours, zero, last = forecasts(np.cumsum(rng.normal(0, 0.2, 150)))
    assert ours < 0.5 * zero
    assert ours < 1.1 * last


def test_noise_around_zero_is_not_followed():
    rng = np.random.default_rng(4)
    ours, zero, last = forecasts(rng.normal(0, 0.2, 150))
    assert ours < 1.05 * zero
    assert ours < 0.8 * last


def test_what_was_not_known_in_time_is_not_used():
    values = np.array([0.0] * 10 + [5.0])
    late = forecast_level(values[:-1], np.arange(11, 1, -1), gap=2)
    assert late.value == 0.0


def test_few_values_are_drawn_to_zero():
    assert 0 < forecast_level([1.0, 1.0], [2, 1]).value < 1
    assert forecast_level([], []).value == 0.0

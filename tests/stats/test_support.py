import numpy as np

from jomon.stats.support import excess_distance, outside_earlier


def test_a_number_is_outside_only_of_windows_before_it():
    window = np.array([0, 0, 1, 1, 2, 2])
    values = np.array([0.0, 10.0, 20.0, np.nan, 20.0, -5.0])
    assert outside_earlier(window, {"x": values}, {}).tolist() == [False, False, True, False, False, True]


def test_a_category_is_outside_where_it_is_new():
    window = np.array([0, 1, 1, 2, 2])
    codes = np.array([0, 1, -1, 1, 2])
    assert outside_earlier(window, {}, {"x": codes}).tolist() == [False, True, False, False, True]


def test_the_first_windows_are_never_outside():
    window = np.array([0, 1, 2])
    assert outside_earlier(window, {"x": [0.0, 9.0, 99.0]}, {}, first=2).tolist() == [False, False, True]


def test_no_rows():
    assert outside_earlier([], {"x": []}, {}).tolist() == []


def test_chance_is_no_distance_and_a_changed_mix_is():
    rng = np.random.default_rng(9)
    p = np.full(16, 1 / 16)
    same = rng.multinomial(200, p, 300)
    earlier = np.tile(rng.multinomial(20_000, p), (300, 1))
    assert np.mean(excess_distance(same, earlier)) < 0.02
    moved = rng.multinomial(200, np.arange(16) / 120, 300)
    assert np.mean(excess_distance(moved, earlier)) > 0.2


def test_no_rows_have_no_distance():
    assert np.isnan(excess_distance([[0.0, 0.0]], [[5.0, 5.0]])[0])

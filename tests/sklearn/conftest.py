"""Rows of three shops, in which what a price does depends on the shop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

ROWS = 3000
STAGES = [
    {"level": [], "params": {"num_iterations": 20}},
    {"level": ["shop"], "params": {"num_iterations": 20}},
    {"level": ["shop", "hour_band"], "estimator": "none"},
]


@pytest.fixture(scope="session")
def shops() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    shop = rng.choice(["north", "south", "west"], ROWS)
    price = rng.normal(size=ROWS)
    margin = price * np.select([shop == "north", shop == "south"], [2.0, -2.0], 0.0)
    return pd.DataFrame(
        {
            "time": pd.Timestamp("2024-05-01") + pd.to_timedelta(np.arange(ROWS), unit="h"),
            "shop": shop,
            "price": np.where(rng.random(ROWS) < 0.05, np.nan, price),
            "promo": rng.random(ROWS) < 0.3,
            "sold": np.where(rng.random(ROWS) < 1 / (1 + np.exp(-margin)), "yes", "no"),
            "items": rng.poisson(np.exp(0.4 * margin)),
        }
    )


@pytest.fixture(scope="session")
def timed() -> dict:
    """Parameters of a fleet over time."""
    return {
        "stages": STAGES,
        "time": "time",
        "timezone": "Europe/Paris",
        "calendar": ["hour"],
        "axes": {"hour_band": {"day": "6-21", "night": "22-5"}},
        "known_after": "12h",
    }

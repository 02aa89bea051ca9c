"""The starter: a project file with comments, and a small table of invented sales that it fits."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta

FIRST_DAY = date(2023, 1, 1)
DAYS = 730
SHOPS = {
    "harbour": ("north", 40.0),
    "market": ("north", 85.0),
    "station": ("south", 60.0),
    "park": ("south", 25.0),
}
"""Each shop with its city and the sales of an ordinary day."""

PROJECT_FILE = """\
# How many loaves will a shop sell on a day? A small fleet to start from: put your own table in the place of
# sales.csv (its numbers are invented) and your own names in the place of these.
#
#   jomon check      says whether this file and the data fit together
#   jomon ingest     reads the data into tables
#   jomon build      trains the fleet and stores it as an image
#   jomon evaluate   says, on later weeks, what each stage below is worth

fleet: sales                            # the name of the image: sales:latest
question: How many loaves will this shop sell on this day?

data:
  source: sales.csv                     # or *.parquet, module:function of this folder, a Delta table, a database
  time: day                             # when the question is asked; all features are known by then
  timezone: Europe/Lisbon               # the zone of times without one, and of hours, days and seasons
  key: [shop, day]                      # what tells rows apart; a key that comes twice goes to quarantine
  target:
    column: sold
    kind: count                         # or binary, or regression
    known_after: 24h                    # outcomes may be used this long after the time of their row
  features:
    numeric: [price]
    categorical: [shop, city]
    calendar: [weekday, year_phase]
  contract:                             # rows that break it go to quarantine with the reason; none is lost
    shop: {type: string, required: true}
    price: {type: float, min: 0}
    sold: {type: int, min: 0}

axes:                                   # ways in which context varies, beside the columns
  season: {hemisphere: north}

# Stages are built in this order, each from what the ones before it leave over. `none` is an offset and a slope that
# follow the outcomes from day to day, without a model of its own.
stages:
  - {level: [], estimator: linear}      # one model for all; or lightgbm, baseline, module:factory
  - {level: [shop], estimator: linear, min_rows: 100}
  - {level: [city, season], estimator: none}
  - {level: [shop, weekday], estimator: none, min_rows: 50}

evaluation: {holdout: 14w, step: 1w}    # the last 14 weeks are never seen by a build
"""


def starter_rows() -> str:
    """The table as CSV, the same on every machine: 4 shops, 730 days; weekends, summers and prices matter."""
    dice = random.Random(0)
    lines = ["shop,city,day,price,sold"]
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        summer = math.cos(2.0 * math.pi * (day.timetuple().tm_yday - 200) / 365.25)
        for shop, (city, usual) in SHOPS.items():
            price = dice.choice((1.9, 2.0, 2.0, 2.2))
            weekend = {"north": 1.25, "south": 0.9}[city] if day.weekday() >= 5 else 1.0
            swing = 0.25 if city == "south" else -0.05
            mean = usual * weekend * (1.0 + swing * summer) * (2.0 / price) * (1.0 + 0.15 * number / DAYS)
            sold = max(round(dice.gauss(mean, math.sqrt(mean))), 0)
            lines.append(f"{shop},{city},{day.isoformat()},{price},{sold}")
    return "\n".join(lines) + "\n"

"""What is served in S5 and S7: invented flights, our fleet of them, the same models for MLServer, and the requests.

One of our chains is a root of 50 trees and a member of 50 trees, 15 leaves each. MLServer's models have 100 trees of 15
leaves, one model for each member, fitted on the member's rows. Its requests carry the encoded features in the order of
the model, so that it need not know of categories, time or routing; ours carry the row as a caller has it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl

from bench.common import JOMON, run
from jomon.engine.pack import Pack

HERE = Path(__file__).parent
REFERENCE = "serve:latest"
FIRST_DAY = np.datetime64("2024-07-01T00:00", "us")
DAYS = 182
TREES, LEAVES = 50, 15  # of the root and of every member, as the project file says
PARAMS = {
    "objective": "binary",
    "num_leaves": LEAVES,
    "learning_rate": 0.1,
    "min_child_samples": 5,
    "num_threads": 1,
    "deterministic": True,
    "verbosity": -1,
    "seed": 0,
}
NUMERIC = ("distance", "temp", "wind_speed", "visib", "precip")
CATEGORICAL = ("carrier", "origin", "dest")
FEATURES = (*NUMERIC, *CATEGORICAL, "hour", "weekday", "year_phase_sin", "year_phase_cos")


@dataclass(frozen=True)
class Shape:
    """A fleet of carriers times origins members with so many rows each."""

    carriers: int
    origins: int
    rows: int

    @property
    def members(self) -> int:
        """Members below the root."""
        return self.carriers * self.origins


def flights(shape: Shape, rows: int, seed: int) -> pl.DataFrame:
    """Invented flights; each member has as many, and a rule of its own that one model for all cannot hold."""
    rng = np.random.default_rng(seed)
    member = np.arange(rows) % shape.members
    carrier, origin = np.divmod(member, shape.origins)
    dest = rng.integers(0, 30, rows)
    minute = rng.integers(0, DAYS, rows) * 1440 + rng.integers(5 * 60, 23 * 60, rows)
    values = {
        "carrier": _names("C", carrier),
        "flight": np.arange(rows),
        "origin": _names("O", origin),
        "dest": _names("D", dest),
        "scheduled_departure": FIRST_DAY + minute.astype("timedelta64[m]"),
        "distance": np.round(rng.uniform(80, 5000, rows)),
        "temp": np.round(rng.normal(12, 9, rows).clip(-50, 50), 1),
        "wind_speed": np.round(rng.gamma(2.0, 5.0, rows), 1),
        "visib": np.round(rng.uniform(0, 10, rows), 1),
        "precip": np.round(rng.exponential(0.3, rows), 2),
    }
    own = np.random.default_rng(shape.members).normal(0, 1.5, (5, shape.members))[:, member]
    late = (
        own[0] * (values["temp"] - 12) / 9
        + own[1] * (values["wind_speed"] - 10) / 7
        + own[2] * (values["distance"] - 2540) / 1420
        + own[3] * (values["visib"] - 5) / 3
        + own[4] * ((minute // 60) % 24 - 13.5) / 5
        + 0.5 * (dest % 3 - 1)
    )
    chance = 1 / (1 + np.exp(-late))
    return pl.DataFrame(values).with_columns(late=(rng.uniform(size=rows) < chance).astype(float))


def _names(letter: str, codes: np.ndarray) -> pl.Series:
    return pl.Series(codes).cast(pl.String).str.zfill(3).str.replace("^", letter)


def project(folder: Path, shape: Shape) -> Path:
    """A project with its fleet built and published, through the commands that a user has."""
    shutil.copytree(HERE / "fleets" / "serve", folder)
    table = flights(shape, shape.members * shape.rows, seed=shape.members)
    table.sort("scheduled_departure").write_parquet(folder / "rows.parquet")
    run([JOMON, "ingest"], folder)
    run([JOMON, "build"], folder)
    packed = packs_of(folder)
    alone = shape.members == 1  # what one member could add, its root knows already
    if packed.members != shape.members + (not alone):
        raise SystemExit(f"{packed.members} members have trees in a fleet of {shape.members} and a root")
    return folder


@dataclass(frozen=True)
class Packed:
    """What the packs of a fleet hold: members with trees, bytes of all packs, trees a member and leaves a tree."""

    members: int
    nbytes: int
    trees: float
    leaves: float


def packs_of(folder: Path) -> Packed:
    """What the packs of a project's fleet hold."""
    layers = json.loads(run([JOMON, "history", REFERENCE, "--json"], folder))
    blobs = folder / ".jomon" / "images" / "blobs"
    paths = [blobs / each["layer"].replace(":", "/") for each in layers if each["members"]]
    packs = [Pack.open(path) for path in paths]
    members = sum(len(pack) for pack in packs)
    trees = sum(len(pack.members.arrays["roots"]) for pack in packs)
    leaves = sum(len(pack.members.arrays["leaves"]) for pack in packs)
    return Packed(members, sum(pack.nbytes for pack in packs), trees / members, leaves / trees)


def encoded(table: pl.DataFrame, shape: Shape) -> np.ndarray:
    """The features of rows as MLServer's models take them, in the order of `FEATURES`."""
    time = pl.col("scheduled_departure")
    phase = time.dt.ordinal_day() * (2 * np.pi / 365.25)
    columns = [
        *(pl.col(name) for name in NUMERIC),
        *(pl.col(name).str.slice(1).cast(pl.Float64) for name in CATEGORICAL),
        time.dt.hour(),
        time.dt.weekday() - 1,
        phase.sin(),
        phase.cos().alias("cos"),
    ]
    named = [c.cast(pl.Float64).alias(name) for c, name in zip(columns, FEATURES, strict=True)]
    return np.ascontiguousarray(table.select(named).to_numpy())


def models(folder: Path, shape: Shape) -> Path:
    """A folder of models as MLServer reads it: `member-0000/model.bst` with its `model-settings.json` and so on."""
    table = flights(shape, shape.members * shape.rows, seed=shape.members)
    X, y = encoded(table, shape), table["late"].to_numpy()
    categories = [FEATURES.index(name) for name in CATEGORICAL]
    for member in range(shape.members):
        rows = slice(member, None, shape.members)
        data = lightgbm.Dataset(X[rows], y[rows], categorical_feature=categories)
        booster = lightgbm.train(PARAMS, data, 2 * TREES)
        here = folder / model_name(member)
        here.mkdir(parents=True)
        booster.save_model(here / "model.bst")
        settings = {
            "name": model_name(member),
            "implementation": "mlserver_lightgbm.LightGBMModel",
            "parameters": {"uri": "./model.bst", "version": "v1"},
        }
        (here / "model-settings.json").write_text(json.dumps(settings))
    return folder


def model_name(member: int) -> str:
    """What MLServer calls the model of a member."""
    return f"member-{member:04d}"


def leaves_of(folder: Path) -> tuple[float, float]:
    """Trees of a model and leaves of a tree, on average over MLServer's models."""
    trees, leaves = [], []
    for path in sorted(folder.glob("*/model.bst")):
        each = [int(line[11:]) for line in path.read_text().splitlines() if line.startswith("num_leaves=")]
        trees.append(len(each))
        leaves += each
    return float(np.mean(trees)), float(np.mean(leaves))


@dataclass(frozen=True)
class Requests:
    """The same rows as requests to each side, one a line: path, tab, body."""

    ours: Path
    mlserver: Path


def requests(folder: Path, shape: Shape, count: int) -> Requests:
    """One-row requests to members drawn at random, new rows that no model was fitted on."""
    rng = np.random.default_rng(1)
    pool = flights(shape, max(4 * count, shape.members), seed=2)
    table = pool[rng.permutation(len(pool))[:count]]
    return _written(folder, shape, table)


def each_member(folder: Path, shape: Shape, count: int) -> Requests:
    """So many one-row requests in random order, as many to each member."""
    table = flights(shape, count, seed=3)
    return _written(folder, shape, table[np.random.default_rng(3).permutation(len(table))])


def _written(folder: Path, shape: Shape, table: pl.DataFrame) -> Requests:
    found = Requests(folder / "ours.requests", folder / "mlserver.requests")
    found.ours.write_text("".join(f"/predict\t{body}\n" for body in _rows(table)))
    infers = zip(_members(table, shape), encoded(table, shape).tolist(), strict=True)
    found.mlserver.write_text(
        "".join(f"/v2/models/{model_name(m)}/infer\t{json.dumps(_tensor(x))}\n" for m, x in infers)
    )
    return found


def _rows(table: pl.DataFrame) -> Iterator[str]:
    time = pl.col("scheduled_departure").dt.strftime("%Y-%m-%dT%H:%M:%S")
    for row in table.drop("late").with_columns(time).iter_rows(named=True):
        yield json.dumps({"rows": [row]}, separators=(",", ":"))


def _tensor(x: list[float]) -> dict[str, Any]:
    shape = [1, len(x)]
    return {"inputs": [{"name": "predict", "shape": shape, "datatype": "FP64", "data": x}]}


def _members(table: pl.DataFrame, shape: Shape) -> list[int]:
    code = [pl.col(name).str.slice(1).cast(pl.Int64) for name in ("carrier", "origin")]
    return table.select(code[0] * shape.origins + code[1]).to_series().to_list()

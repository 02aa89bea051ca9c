"""What a fleet is compared with: one global model, kept or trained again every week, and independent local models.

Each is tuned with the same number of trials on the last block before the hold-out, and sees every feature, the
segment columns and the season included. Fits go through the same processes and the same cache as a build.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jomon.core.segments import Segment
from jomon.core.spec import StageSpec
from jomon.core.table import Floats
from jomon.oci.ports import BuildCachePort
from jomon.stats.links import Link
from jomon.training.estimators import Design
from jomon.training.executors import MakeExecutor, Pool
from jomon.training.rows import Days, StageRows, TrainingRows
from jomon.training.scratch import Scratch
from jomon.training.slow import SlowStage, StageFit, fit_stage

GLOBAL_SPACE: dict[str, tuple[Any, ...]] = {
    "num_leaves": (15, 31, 63, 127),
    "learning_rate": (0.03, 0.05, 0.1),
    "num_iterations": (100, 200, 400),
    "min_data_in_leaf": (50, 100, 200),
    "lambda_l2": (0.0, 1.0, 10.0),
}
LOCAL_SPACE: dict[str, tuple[Any, ...]] = {
    "num_leaves": (4, 8, 15, 31),
    "learning_rate": (0.03, 0.05, 0.1),
    "num_iterations": (50, 100, 200),
    "min_data_in_leaf": (10, 20, 50),
    "lambda_l2": (0.0, 1.0, 10.0),
}
LOCAL_MIN_ROWS = 200
RECENT_DAYS = 730  # of the trial that forgets: two years, so that every season is there twice
LONG_DAYS = 1095  # data at least this long get such a trial
_HISTORY = "history_days"


@dataclass(frozen=True)
class Peer:
    """A peer's margins on the held-out rows (float64[n], NaN before), what it cost, and the parameters it was given."""

    margins: Floats
    seconds: float
    fits: int
    chosen: Mapping[str, Any]


@dataclass(frozen=True)
class PeerStudy:
    """The rows of a comparison: all with an outcome, the hold-out included; `levels` are candidate levels of locals.

    `tune_day` and `end_day` are local days: the last block before the hold-out, and the hold-out, begin on them.
    """

    X: Floats
    y: Floats
    serve_day: Days
    learn_day: Days
    levels: Mapping[tuple[str, ...], StageRows]
    design: Design
    link: Link
    tune_day: int
    end_day: int
    last_day: int
    step_days: int
    trials: int
    seed: int
    root: StageSpec
    project_dir: str | None = None


def trial_params(
    declared: Mapping[str, Any], space: Mapping[str, Sequence[Any]], trials: int, seed: int, days: int
) -> list[dict[str, Any]]:
    """`trials` sets of parameters for data of so many `days`.

    First the declared ones; on long data next the same on recent rows alone, which is what people do when the world
    moves; then seeded random draws from `space` without repeats.
    """
    rng = np.random.default_rng(seed)
    out: list[dict[str, Any]] = [dict(declared)]
    if days >= LONG_DAYS and trials > 1:
        out.append({**declared, _HISTORY: RECENT_DAYS})
    most = int(np.prod([len(v) for v in space.values()]))
    while len(out) < min(trials, most):
        drawn = {name: values[int(rng.integers(len(values)))] for name, values in space.items()}
        if days >= LONG_DAYS and rng.integers(2):
            drawn[_HISTORY] = RECENT_DAYS
        if drawn not in out:
            out.append(drawn)
    return out


class PeerLab:
    """Fits peers; `advance(k)` is told of every k fits done or found in the cache."""

    def __init__(
        self, study: PeerStudy, cache: BuildCachePort, make: MakeExecutor, advance: Callable[[int], None]
    ) -> None:
        self.study, self._cache, self._make, self._advance = study, cache, make, advance
        n = len(study.y)
        self._days = int(study.end_day - study.serve_day[0])
        self._root = StageRows(np.zeros(n, np.int32), (Segment(),), np.arange(n), np.array([0, n], np.int64))

    def run(self) -> dict[str, Peer]:
        """`global_kept`, `global_retrained` and `local`."""
        s = self.study
        with Pool(self._make) as pool:
            tuned, tune_cost, tune_fits = self._tune(pool, (), GLOBAL_SPACE, s.root.params)
            kept = self._margins(pool, (), tuned, (s.end_day, s.last_day))
            weeks = list(range(s.end_day, s.last_day, s.step_days))
            retrained = self._margins(pool, (), tuned, (*weeks, s.last_day))
            globally = Peer(kept.slow, tune_cost + kept.seconds, tune_fits + 1, tuned)
            weekly = Peer(retrained.slow, tune_cost + retrained.seconds, tune_fits + len(weeks), tuned)
            local = self._local(pool, globally)
        return {"global_kept": globally, "global_retrained": weekly, "local": local}

    def _local(self, pool: Pool, globally: Peer) -> Peer:
        """The best level and parameters by the tuning block; rows without a local model are answered globally."""
        s = self.study
        best: tuple[float, tuple[str, ...], dict[str, Any]] | None = None
        seconds, fits = 0.0, 0
        at = self._tuning_rows
        _, tuning_global, _ = self._global_tuning
        for level in s.levels:
            trials = trial_params({}, LOCAL_SPACE, s.trials, s.seed + 1, self._days)
            for params in trials:
                fit = self._margins(pool, level, params, (s.tune_day, s.end_day))
                seconds, fits = seconds + fit.seconds, fits + sum(m.fit is not None for m in fit.members)
                margins = np.where(self._has(level, fit), fit.slow, tuning_global)
                loss = float(np.mean(s.link.losses(margins[at], s.y[at])))
                if best is None or loss < best[0]:
                    best = (loss, level, params)
        if best is None:
            return Peer(globally.margins, 0.0, 0, {"level": [], "note": "no level to be local at"})
        _, level, params = best
        final = self._margins(pool, level, params, (s.end_day, s.last_day))
        margins = np.where(self._has(level, final), final.slow, globally.margins)
        fits += sum(m.fit is not None for m in final.members)
        return Peer(margins, seconds + final.seconds, fits, {"level": list(level), **params})

    @property
    def _tuning_rows(self) -> NDArray[np.bool_]:
        """The rows that parameters are chosen by: of the last block before the hold-out, known when that begins."""
        s = self.study
        return (s.serve_day >= s.tune_day) & (s.serve_day < s.end_day) & (s.learn_day <= s.end_day)

    def _has(self, level: tuple[str, ...], fit: StageFit) -> Any:
        """Rows answered by a local model: those of segments that had one when it was asked."""
        rows = self.study.levels[level]
        has = np.zeros(len(rows) + 1, np.bool_)
        has[
            [m.s for m in fit.members if m.fit is not None and any(np.any(u) for u in m.fit.unseen.values())]
        ] = True
        return has[rows.segment]

    def _tune(
        self,
        pool: Pool,
        level: tuple[str, ...],
        space: Mapping[str, Sequence[Any]],
        declared: Mapping[str, Any],
    ) -> tuple[dict[str, Any], float, int]:
        s = self.study
        at = self._tuning_rows
        best: tuple[float, dict[str, Any], Floats] | None = None
        seconds = 0.0
        trials = trial_params(declared, space, s.trials, s.seed, self._days)
        for params in trials:
            fit = self._margins(pool, level, params, (s.tune_day, s.end_day))
            seconds += fit.seconds
            loss = float(np.mean(s.link.losses(fit.slow[at], s.y[at])))
            if best is None or loss < best[0]:
                best = (loss, params, fit.slow)
        assert best is not None
        self._global_tuning = (best[0], best[2], best[1])
        return best[1], seconds, len(trials)

    def _margins(
        self, pool: Pool, level: tuple[str, ...], params: Mapping[str, Any], edges: tuple[int, ...]
    ) -> StageFit:
        """Margins on every block that begins at one of `edges` but the last, by models fitted on what came before."""
        s = self.study
        stage_rows = self._root if not level else s.levels[level]
        first = int(s.serve_day[0])
        all_edges = np.array([first, *edges], np.int32)
        rows = TrainingRows(s.X, s.y, s.serve_day, s.learn_day, all_edges, (stage_rows,))
        spec = _stage_at(s.root, level)
        with Scratch.open(rows, s.design, s.link, s.project_dir, s.seed) as scratch:
            given = {name: value for name, value in params.items() if name != _HISTORY}
            history = int(params.get(_HISTORY, 0))
            stage = SlowStage(0, spec, None, 0, params=given, keep_member=False, history_days=history)

            def told(fitted: int, cached: int) -> None:
                self._advance(fitted + cached)

            return fit_stage(scratch, stage, self._cache, pool, told)


def _stage_at(root: StageSpec, level: tuple[str, ...]) -> StageSpec:
    """The root's declaration for another level, all features, by LightGBM."""
    estimator = root.estimator if ":" not in root.estimator and root.estimator != "none" else "lightgbm"
    least = LOCAL_MIN_ROWS if level else 0
    return root.model_copy(
        update={
            "level": level,
            "estimator": "lightgbm" if level else estimator,
            "min_rows": least,
            "features": None,
        }
    )

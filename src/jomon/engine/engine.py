"""The engine: stages of packed members and fast tables in, margins of mixed batches out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jomon.core.errors import JomonError, PredictError, StoreError
from jomon.core.table import Floats, Ints
from jomon.engine.layout import workspace_slots
from jomon.engine.member import MemberArrays
from jomon.engine.opaque import OpaqueMember
from jomon.engine.pack import Pack, PackEntry, write_pack
from jomon.engine.stages import StagePacks
from jomon.engine.tables import Tables

FEW = 64  # rows that are scored without giving the interpreter's lock away: some 300 us at most
_STAGES_LIMIT = 127
_NO_FLOATS = np.zeros((0, 0))


@dataclass(frozen=True, eq=False)
class Scores:
    """The answers for n rows and S stages.

    margin: float64[n], 0 where no member applies; answered: int8[n], the finest stage with a slow member or a
    fast row that took part, -1 for none; slow: float64[n, S], the shrunk contribution of each stage's slow
    member; fast: float64[n, S], what each stage's fast row added (both None unless asked for).
    """

    margin: Floats
    answered: NDArray[np.int8]
    slow: Floats | None = None
    fast: Floats | None = None


class Engine:
    """Scores batches whose rows belong to different members; holds its packs open and never changes.

    `correct` adds up: in stage order z += slow(x), then z += offset + slope * (z - center) of the fast row.
    `replace` lets the last stage with a slow member for the row answer alone, with that stage's fast row.
    May be used from several threads; the interpreter's lock is released while scoring packed members.
    """

    def __init__(
        self, stages: Sequence[StagePacks], relation: Literal["correct", "replace"] = "correct"
    ) -> None:
        """Raises `StoreError` where packs disagree on their features or hold one segment twice."""
        if relation not in ("correct", "replace"):
            raise ValueError(f"{relation!r} is not a relation")
        if len(stages) > _STAGES_LIMIT:
            raise StoreError(f"This fleet has {len(stages)} stages; an engine takes up to {_STAGES_LIMIT}.")
        from jomon.engine.kernel import score, score_few

        self._score, self._score_few = score, score_few
        self._tables = Tables.of(stages, replace=relation == "replace")
        self.features: tuple[str, ...] | None = _features(stages)
        self.relation = relation
        self.stages = len(stages)

    def score(self, X: Floats, codes: Ints, has: NDArray[np.bool_], *, explain: bool = False) -> Scores:
        """Score n rows.

        X: float64[n, F], columns as in `features`; codes: int64[n, S], the row's segment code per stage; has:
        bool[n, S], whether the row has a segment at that stage (and its member may answer). Raises
        `PredictError` where a member that cannot be packed gives no usable answer.
        """
        X, codes, has = _plain(X, np.float64), _plain(codes, np.int64), _plain(has, np.bool_)
        n = len(X)
        if X.ndim != 2 or codes.shape != (n, self.stages) or has.shape != codes.shape:
            raise ValueError(f"rows {X.shape}, codes {codes.shape} and has {has.shape} do not fit together")
        if self.features is not None and X.shape[1] != len(self.features):
            raise ValueError(f"rows have {X.shape[1]} columns, members {len(self.features)}")
        given = _margins(self._tables, X, codes, has) if self._tables.opaque else _NO_FLOATS
        margin, answered = np.zeros(n), np.empty(n, np.int8)
        answered.fill(-1)
        slow, fast = (np.zeros(codes.shape), np.zeros(codes.shape)) if explain else (_NO_FLOATS, _NO_FLOATS)
        work = np.empty(workspace_slots(n, X.shape[1], self._tables.largest), np.int64)
        score = self._score_few if n <= FEW else self._score
        score(self._tables.table, X, codes, has, given, margin, answered, slow, fast, work)
        return Scores(margin, answered, slow, fast) if explain else Scores(margin, answered)


def score_member(member: MemberArrays, X: Floats) -> Floats:
    """The shrunk output of one member for each row: float64[n] for float64[n, F]."""
    entry = PackEntry("(all)", 0, "", member)
    pack = Pack.open(write_pack([entry], tuple(f"column {j}" for j in range(member.width))))
    ones = np.ones((len(X), 1), np.bool_)
    return Engine([StagePacks([pack])]).score(X, np.zeros(ones.shape, np.int64), ones).margin


def _features(stages: Sequence[StagePacks]) -> tuple[str, ...] | None:
    found = {pack.features for stage in stages for pack in stage.packs}
    if len(found) > 1:
        raise StoreError("The packs of this fleet disagree on the features; build it again with one encoder.")
    return found.pop() if found else None


def _plain(array: Any, dtype: Any) -> Any:
    """The array as the compiled loop takes it: of that type, contiguous, writeable; a copy if it is not."""
    array = np.ascontiguousarray(array, dtype)
    return array if array.flags.writeable else array.copy()


def _margins(tables: Tables, X: Floats, codes: Ints, has: NDArray[np.bool_]) -> Floats:
    """float64[n, S]: the margins of members that no pack holds, each asked once for all its rows."""
    places = tables.places(codes, has)
    given = np.zeros(codes.shape)
    for place, member in tables.opaque.items():
        rows, stages = np.nonzero(places == place)
        if len(rows):
            given[rows, stages] = _asked(member, X[rows], int(tables.codes[place]))
    return given


def _asked(member: OpaqueMember, X: Floats, code: int) -> Floats:
    try:
        margin = np.asarray(member.margin(X), np.float64)
    except JomonError:
        raise
    except Exception as error:
        raise PredictError(
            f"The estimator of the segment with code {code} failed on {len(X)} rows"
            f" ({type(error).__name__}: {error}); make it accept missing values, or refit it."
        ) from error
    if margin.shape != (len(X),) or not np.isfinite(margin).all():
        raise PredictError(
            f"The estimator of the segment with code {code} answered {len(X)} rows with something else than"
            f" {len(X)} finite numbers; refit it."
        )
    return margin

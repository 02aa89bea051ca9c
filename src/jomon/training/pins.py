"""What a partial build keeps of the image it starts from: keys, bytes, factors, verdicts and fast settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jomon.core.table import Floats
from jomon.oci.digest import Digest
from jomon.training.fast import FastParams
from jomon.training.judge import MemberEvidence, StageEvidence
from jomon.training.lineage import Lineage
from jomon.training.worker import SlowFit


@dataclass(frozen=True)
class PinnedMember:
    """A slow part that is not fitted again: its key, its lineage, the recipe it was fitted by, and the fit as the build
    cache kept it.

    It was fitted on rows from the block `first` on, known by the local day `end_day`. `margin` answers for it
    (float64[n] for float64[n, F]); None where the fit is packed and answers for itself.
    """

    key: Digest
    lineage: Lineage
    recipe: Mapping[str, Any]
    fit: SlowFit
    first: int
    end_day: int
    margin: Callable[[Floats], Floats] | None = None


@dataclass(frozen=True)
class PinnedFailure:
    """A slow part that could not be fitted, and is not tried again: its key, its lineage, and why."""

    key: Digest
    lineage: Lineage
    error: str


@dataclass(frozen=True)
class PinnedStage:
    """What of a stage stays.

    `members`, `failures`, `shrink` and `verdicts` go by segment code; `end_day` is the first local day that
    the image had
    not seen. `only`: codes of the segments that may be fitted, None for all. `whole`: nothing of the stage is fitted
    again; `known`: the image had the stage. With `refit_changed`, a pinned member whose rows or recipe have changed is
    fitted again; without it that is an error.
    """

    members: Mapping[int, PinnedMember] = field(default_factory=dict)
    failures: Mapping[int, PinnedFailure] = field(default_factory=dict)
    shrink: Mapping[int, float] = field(default_factory=dict)
    verdicts: Mapping[int, MemberEvidence] = field(default_factory=dict)
    evidence: StageEvidence | None = None
    fast: FastParams | None = None
    fast_path: tuple[FastParams | None, ...] = ()
    end_day: int = 0
    only: frozenset[int] | None = None
    whole: bool = False
    known: bool = False
    refit_changed: bool = False


NOTHING = PinnedStage()
"""A stage that is built anew."""

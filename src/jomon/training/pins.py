"""What a partial build keeps of the image it starts from: keys, bytes, factors, verdicts and fast settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jomon.training.fast import FastParams
from jomon.training.judge import MemberEvidence, StageEvidence
from jomon.training.lineage import Lineage
from jomon.training.worker import SlowFit
from jomon.oci.digest import Digest


@dataclass(frozen=True)
class PinnedMember:
    """A slow part that is not fitted again: its key, its lineage and its fit as the build cache kept it."""

    key: Digest
    lineage: Lineage
    fit: SlowFit


@dataclass(frozen=True)
class PinnedStage:
    """What of a stage stays. `members`, `shrink` and `verdicts` go by segment code; `end_day` is the first local day
    that the pinned members were not fitted on. `whole`: nothing of the stage is fitted again; `known`: the image had it.
    """

    members: Mapping[int, PinnedMember] = field(default_factory=dict)
    shrink: Mapping[int, float] = field(default_factory=dict)
    verdicts: Mapping[int, MemberEvidence] = field(default_factory=dict)
    evidence: StageEvidence | None = None
    fast: FastParams | None = None
    end_day: int = 0
    whole: bool = False
    known: bool = False

    @classmethod
    def nothing(cls) -> PinnedStage:
        """A stage that is built anew."""
        return cls()

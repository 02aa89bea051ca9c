"""The bodies of requests and responses, as types: what is read by them is checked, and the OpenAPI document is made
from them.

Rows of a prediction differ from fleet to fleet; `decoding` makes their types. The bodies of the Open Inference
Protocol are in `v2.wire`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

Value = str | bool | int | float | None
"""A value of a row or a key."""
Row = Annotated[dict[str, Any], Meta(description="One value per column of the fleet.")]
CallerId = Annotated[str, Meta(description="The caller's own id, kept beside the answers and sent back.")]
RequestId = Annotated[str, Meta(description="Made by the server, unique for ever; outcomes may name it.")]
Image = Annotated[
    str,
    Meta(description="The digest of the image that answered.", examples=["sha256:" + "0123456789abcdef" * 4]),
]


class PredictRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to answer. With `explain` each answer comes with its chain of members."""

    rows: list[Row]
    id: CallerId | None = None
    explain: bool = False


class ChainStep(msgspec.Struct, frozen=True):
    """One stage, as it applied to a row.

    `slow` and `fast` are what the two parts of the member added to the margin, `so_far` the answer after it; null
    where no member took part, and `reason` says why.
    """

    level: list[str]
    segment: str | None
    active: bool
    reason: str
    slow: float | None
    fast: float | None
    so_far: float | None


class Explanation(msgspec.Struct, frozen=True):
    """How one answer came about: the finest segment that took part, all stages in order, and the margin in the end."""

    segment: str
    margin: float
    chain: list[ChainStep]


class PredictResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answers in the order of the rows: probabilities, values or expected counts, each recorded before it is sent.

    `image` is the digest of the image that answered, `reference` the name it is served under.
    """

    request_id: RequestId
    fleet: str
    reference: str
    image: Image
    answers: list[float]
    id: CallerId | UnsetType | None = UNSET
    explanations: list[Explanation] | UnsetType = UNSET


class OutcomeItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The truth about one row, named by its key (every key column) or by the request that it came with.

    `value` null says that it will never be known. `known_at` is when it became known, now if left out; a time without
    a zone is in the fleet's own.
    """

    value: bool | int | float | None
    key: dict[str, Value] | UnsetType = UNSET
    request_id: str | UnsetType = UNSET
    row: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    known_at: str | None = None

    def __post_init__(self) -> None:
        if (self.key is UNSET) == (self.request_id is UNSET):
            raise ValueError("An outcome names its row by `key` or by `request_id`, and not by both")


class OutcomesRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Outcomes that became known."""

    outcomes: list[OutcomeItem]


class OutcomesResponse(msgspec.Struct, frozen=True):
    """How many outcomes were recorded, and the id of this report."""

    accepted: int
    report_id: str


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong, where, and what to do, in one sentence; `request_id` finds the request in the access log."""

    error: str
    request_id: str | UnsetType = UNSET


class ServedFleet(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fleet: the name and digest of the image that answers, and all tags and digests that v2 takes as versions."""

    fleet: str
    reference: str
    image: Image
    versions: list[str]
    members: int
    question: str = ""


class FleetsResponse(msgspec.Struct, frozen=True):
    """The fleets that this server answers for."""

    fleets: list[ServedFleet]


class ServerLinks(msgspec.Struct, frozen=True):
    """Where things are."""

    name: str
    version: str
    links: dict[str, str]

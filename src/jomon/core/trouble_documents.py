"""Troubles as JSON and back, whole: what the ledger keeps of every window of an incident.

JSON has no numbers that are not finite; they are written as the texts `inf`, `-inf` and `nan`, which `float` reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from jomon.core.findings import Cause, Finding, Span
from jomon.core.incidents import Trouble, finding_document
from jomon.core.segments import Segment

_FLOATS = ("statistic", "surprise", "p", "effect", "effect_low", "effect_high", "expected_rows")
_LOSSES = ("loss", "loss_low", "loss_high")


def trouble_document(trouble: Trouble) -> dict[str, Any]:
    """The JSON of a trouble, with all that `trouble_from_document` needs to make it again."""
    document: dict[str, Any] = plain(
        {
            **vars(trouble),
            "window": vars(trouble.window),
            "parts": [part.text for part in trouble.parts],
            "findings": [finding_document(finding) for finding in trouble.findings],
            "cause": vars(trouble.cause),
        }
    )
    return document


def trouble_from_document(document: Mapping[str, Any]) -> Trouble:
    """The inverse of `trouble_document`; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    cause = document["cause"]
    return Trouble(
        window=Span(**document["window"]),
        parts=tuple(Segment.parse(text) for text in document["parts"]),
        columns=tuple(document["columns"]),
        findings=tuple(_finding(one) for one in document["findings"]),
        cause=Cause(cause["kind"], cause["sentence"], float(cause["confidence"]), dict(cause["evidence"])),
        members=document["members"],
        rows=document["rows"],
        severity=document["severity"],
        loss_reason=document["loss_reason"],
        **{name: None if document[name] is None else float(document[name]) for name in _LOSSES},
    )


def _finding(document: Mapping[str, Any]) -> Finding:
    return Finding(
        **{
            **document,
            **{name: float(document[name]) for name in _FLOATS},
            "window": Span(**document["window"]),
            "segment": Segment.parse(document["segment"]),
            "labels": tuple(document["labels"]),
            "observed": tuple(float(value) for value in document["observed"]),
            "expected": tuple(float(value) for value in document["expected"]),
        }
    )


def plain(value: Any) -> Any:
    """A value as JSON holds it: arrays and tuples as lists, numbers that are not finite and anything else as text.

    >>> plain({"a": (1, float("inf")), 2: None})
    {'a': [1, 'inf'], '2': None}
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(item) for item in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    listed = getattr(value, "tolist", None)
    return plain(listed()) if callable(listed) else str(value)

"""Looking up members in an image's members document."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from jomon.core.errors import UnknownNameError
from jomon.core.segments import Segment


def iter_members(document: Mapping[str, Any]) -> Iterator[tuple[int, Segment, Mapping[str, Any]]]:
    """Every candidate of every stage: the stage, its segment, what is known of it."""
    for number, stage in enumerate(document["stages"]):
        for member in stage["members"]:
            yield number, Segment(tuple((axis, value) for axis, value in member["segment"])), member


def find_member(document: Mapping[str, Any], segment: str | Segment) -> dict[str, Any]:
    """What is known of a candidate, with what its stage shares of its lineage; axes may come in any order.

    Raises `UnknownNameError` that names near segments.
    """
    wanted = Segment.parse(segment) if isinstance(segment, str) else segment
    texts = []
    for number, found, member in iter_members(document):
        if dict(found.items) == dict(wanted.items) and len(found.items) == len(wanted.items):
            stage = document["stages"][number]
            return {
                **member,
                "segment": found.text,
                "stage": number,
                "estimator": stage["estimator"],
                "recipe": stage["recipe"],
                "fast": stage["fast"],
                "stage_evidence": stage["evidence"],
            }
        texts.append(found.text)
    near = difflib.get_close_matches(wanted.text, texts, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else "; `jomon inspect REF` lists the stages."
    raise UnknownNameError(f"No member for {wanted.text!r} in this image{hint}")

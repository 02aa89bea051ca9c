"""The slow part of a member in the form that packs hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from jomon.core.errors import BuildError
from jomon.engine.flat import FlatMembers
from jomon.engine.linear import LinearArrays
from jomon.engine.tensors import Buffer, corrupt, expect_version, read_tensors, write_tensors
from jomon.engine.trees import TreeArrays

VERSION = 1


@dataclass(frozen=True, eq=False)
class MemberArrays:
    """A model in packable form, and the factor `shrink` that multiplies its output.

    Raises `BuildError` where the arrays contradict each other or hold numbers that are not finite.
    """

    model: TreeArrays | LinearArrays
    shrink: float = 1.0

    def __post_init__(self) -> None:
        model = self.model
        if isinstance(model, LinearArrays) and not len(model.weights) == len(model.missing) == len(
            model.sizes
        ):
            raise BuildError("This linear model cannot be packed: its arrays have different lengths.")
        problem = self.flat.problem(self.width)
        if problem:
            raise BuildError(f"This model cannot be packed: {problem}; look at its parameters and its rows.")

    @property
    def kind(self) -> Literal["trees", "linear"]:
        """What the model is."""
        return "linear" if isinstance(self.model, LinearArrays) else "trees"

    @property
    def width(self) -> int:
        """How many feature columns rows have."""
        return self.model.width

    @property
    def flat(self) -> FlatMembers:
        """This member alone, in the arrays that files hold."""
        return FlatMembers.of([self.model], [self.shrink])

    def with_shrink(self, shrink: float) -> MemberArrays:
        """The same model with another factor; what was checked is not checked again."""
        if not np.isfinite(shrink):
            raise BuildError("This model cannot be packed: its factor is not finite.")
        return self._checked(self.model, shrink)

    @classmethod
    def _checked(cls, model: TreeArrays | LinearArrays, shrink: float) -> MemberArrays:
        """A member whose arrays are known to be right."""
        member = object.__new__(cls)
        object.__setattr__(member, "model", model)
        object.__setattr__(member, "shrink", shrink)
        return member

    def same(self, other: MemberArrays) -> bool:
        """Whether both have the same bytes."""
        return member_to_bytes(self) == member_to_bytes(other)


def member_to_bytes(member: MemberArrays) -> bytes:
    """One member as a safetensors file; equal members give equal bytes."""
    metadata = {"format": "jomon.member", "version": str(VERSION), "width": str(member.width)}
    return write_tensors(member.flat.arrays, metadata)


def member_from_bytes(data: Buffer, what: str = "This member") -> MemberArrays:
    """The member in `data`, as views of it; raises `CorruptError` or `StoreError` where it holds none."""
    arrays, metadata = read_tensors(data, what)
    if metadata.get("format") != "jomon.member":
        raise corrupt(what, "it is not a member")
    expect_version(metadata, VERSION, what)
    flat = FlatMembers.of_arrays(arrays, what)
    text = metadata.get("width", "")
    if not (text.isascii() and text.isdigit() and len(text) < 10) or len(flat) != 1:
        raise corrupt(what, "it does not hold one member")
    width = int(text)
    problem = flat.problem(width)
    if problem:
        raise corrupt(what, problem)
    return MemberArrays._checked(flat.model(0, width), float(np.float64(flat.shrink[0])))

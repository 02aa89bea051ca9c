"""The outputs that there are, and those that a request wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jomon.serving.v2.parameters import refuse_shared_memory, truth
from jomon.serving.v2.refusals import ProtocolError, shown
from jomon.serving.v2.wire import RequestOutput

EXPLANATION = "explanation"
OUTPUTS: Mapping[str, str] = {
    "answer": "FP64",
    "margin": "FP64",
    "member": "BYTES",
    "chain": "BYTES",
    EXPLANATION: "BYTES",
}
"""The outputs that there are, with their datatypes; each has one element per row."""
DEFAULT_OUTPUTS = ("answer",)
"""What a request gets that asks for no outputs; the explanation joins them if it asks to explain."""


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """An output that the caller asks for: its name, and whether it goes as binary data."""

    name: str
    binary: bool


def wanted_outputs(
    outputs: Sequence[RequestOutput], *, explain: bool, binary: bool
) -> tuple[WantedOutput, ...]:
    """The outputs asked for, in order, or the default ones; `binary` holds for those that do not say.

    With `explain` the explanation joins them. Raises `ProtocolError` for one that there is not, one that is asked for
    twice, and for ways of sending that this server has not.
    """
    wanted = dict[str, WantedOutput]()
    for output in outputs:
        name, parameters = output.name, output.parameters or {}
        if name not in OUTPUTS:
            raise ProtocolError(f"There is no output {shown(name)}: choose from {', '.join(OUTPUTS)}.")
        owner = f"The output {name!r}"
        if name in wanted:
            raise ProtocolError(f"{owner} is asked for twice: ask once.")
        refuse_shared_memory(parameters, "output", name)
        if parameters.get("classification"):
            raise ProtocolError(f"{owner} cannot be had as classification: ask for it as it is.")
        wanted[name] = WantedOutput(name, truth(parameters, "binary_data", owner, otherwise=binary))
    if not wanted:
        wanted = {name: WantedOutput(name, binary) for name in DEFAULT_OUTPUTS}
    if explain:
        wanted.setdefault(EXPLANATION, WantedOutput(EXPLANATION, binary))
    return tuple(wanted.values())

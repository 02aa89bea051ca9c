"""What the parameters of requests, inputs and outputs may be."""

from __future__ import annotations

from jomon.serving.v2.refusals import ProtocolError, shown
from jomon.serving.v2.wire import Parameters


def truth(parameters: Parameters, name: str, owner: str, *, otherwise: bool = False) -> bool:
    """The parameter `name`, which is true or false, `otherwise` where it is left out; `owner` is for messages."""
    value = parameters.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, bool):
        raise ProtocolError(f"{owner} has the parameter {name} {shown(value)}: send true or false.")
    return value


def refuse_shared_memory(parameters: Parameters, what: str, name: str) -> None:
    """Raise `ProtocolError` where a tensor is said to lie in memory that client and server share."""
    if "shared_memory_region" in parameters:
        raise ProtocolError(f"The {what} {shown(name)} is in shared memory: let it go with the body.")

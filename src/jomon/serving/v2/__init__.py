"""The Open Inference Protocol, version 2, over REST, as functions from bytes to values and from values to bytes.

No HTTP and no fleet here: `parse_request` makes columns of a request's body, `encode_response` makes a body of answers,
`metadata` describes a server and its fleets. The protocol is the public one of KServe and Triton, with Triton's binary
tensor data, so that clients such as `tritonclient` work as they are.
"""

from __future__ import annotations

from jomon.serving.v2.metadata import (
    model_metadata,
    model_ready,
    server_live,
    server_metadata,
    server_ready,
)
from jomon.serving.v2.outputs import OUTPUTS, WantedOutput
from jomon.serving.v2.refusals import ProtocolError, error_body
from jomon.serving.v2.requests import InferRequest, parse_request
from jomon.serving.v2.responses import Encoded, encode_response

__all__ = [
    "OUTPUTS",
    "Encoded",
    "InferRequest",
    "ProtocolError",
    "WantedOutput",
    "encode_response",
    "error_body",
    "model_metadata",
    "model_ready",
    "parse_request",
    "server_live",
    "server_metadata",
    "server_ready",
]

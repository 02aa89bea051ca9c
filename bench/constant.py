"""The HTTP server of S5 that does nothing: it reads the body and answers a constant, with the settings of ours.

python -m bench.constant PORT FILE
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from jomon.serving.config import Limits, ServerConfig, WorkerConfig
from jomon.serving.server import _Server

HEADERS = [("content-type", "application/json")]


class Constant:
    """An application whose every answer is the content of a file."""

    def __init__(self, file: str) -> None:
        self._answer = Path(file).read_bytes()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        await protocol()
        protocol.response_bytes(200, HEADERS, self._answer)


def main(port: str, file: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        run = Path(name)
        worker = WorkerConfig((), Limits(), run, keys=run)
        server = _Server(ServerConfig("127.0.0.1", int(port), 1, worker, grace=0.0), run)
        server.serve(target_loader=partial(Constant, file), wrap_loader=False)


if __name__ == "__main__":
    main(*sys.argv[1:])

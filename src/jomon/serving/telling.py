"""Words for the operator of a server."""

from __future__ import annotations

import sys
from contextlib import suppress


def to_stderr(text: str) -> None:
    """Tell the operator, if anybody listens: a standard error that is closed must not end what goes on."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text if text.endswith("\n") else text + "\n")

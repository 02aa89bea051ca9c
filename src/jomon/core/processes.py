"""How processes of jomon begin: as what they are told, not as a copy of whoever starts them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without_main() -> Iterator[None]:
    """Let processes start without running the caller's script again, so that it needs no `if __name__` guard, and they
    import what they need and no more."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main

"""The examples in the docstrings hold."""

from __future__ import annotations

import doctest

import pytest

from jomon.monitoring import covering
from jomon.monitoring.causes import candidate, categories, numbers


@pytest.mark.parametrize("module", [covering, candidate, categories, numbers])
def test_the_examples_in_the_docstrings_hold(module) -> None:  # type: ignore[no-untyped-def]
    found = doctest.testmod(module)
    assert found.attempted and not found.failed

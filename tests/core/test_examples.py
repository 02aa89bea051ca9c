"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import jomon.core

MODULES = [info.name for info in pkgutil.iter_modules(jomon.core.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_gives_what_it_says(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"jomon.core.{name}")).failed == 0

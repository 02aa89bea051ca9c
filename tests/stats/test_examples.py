"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import jomon.stats

MODULES = [info.name for info in pkgutil.iter_modules(jomon.stats.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_gives_what_it_says(name: str) -> None:
    module = importlib.import_module(f"jomon.stats.{name}")
    results = doctest.testmod(module, extraglobs={"np": np})
    assert results.failed == 0

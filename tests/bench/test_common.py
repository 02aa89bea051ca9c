"""Result files have one shape, whatever they measure; times are never asserted."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from bench.common import between, document, environment, estimate, number, ratio, run, single, spread, write
from bench.memory import Sampler, family

SHAPE = {"id", "work", "date", "machine", "versions", "results", "ratios"}


def test_a_spread_quotes_the_median_and_keeps_every_repetition() -> None:
    row = spread("work", [3.0, 1.0, 2.0], "s")
    assert (row["value"], row["n"], row["raw"]) == (2.0, 3, [3.0, 1.0, 2.0])
    assert row["low"] <= row["value"] <= row["high"]


def test_a_ratio_is_the_median_of_the_paired_ratios() -> None:
    row = ratio("peer", [2.0, 9.0, 4.0], [1.0, 3.0, 1.0])
    assert (row["against"], row["value"], row["n"]) == ("peer", 3.0, 3)


def test_an_unknown_interval_stays_unknown_when_it_is_scaled() -> None:
    row = estimate("loss", {"value": 0.5, "low": None, "high": None, "rows": 7}, "%", 100.0)
    assert (row["value"], row["low"], row["high"], row["n"]) == (50.0, None, None, 7)
    assert between(row) == ""


def test_a_written_result_has_the_declared_shape_and_says_whether_it_counts(tmp_path: Path) -> None:
    rows = [single("members", 3, "members"), spread("wall", [1.0, 2.0], "s")]
    found = document("S0", "nothing", {"python": "3"}, rows, [ratio("peer", [1.0], [2.0])])
    assert write(found, True, tmp_path).name == "S0.json"
    path = write(found, False, tmp_path)
    assert path.name == "S0-short.json"
    read = json.loads(path.read_text())
    assert set(read) == SHAPE
    assert all({"what", "value", "unit", "low", "high", "n"} <= set(row) for row in read["results"])
    assert all({"against", "value", "low", "high", "n"} <= set(row) for row in read["ratios"])


@pytest.mark.parametrize(("value", "text"), [(None, "unknown"), (0.123456, "0.1235"), (123456.7, "123,457")])
def test_numbers_are_written_with_about_four_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_a_program_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(SystemExit, match="oh dear"):
        run([sys.executable, "-c", "import sys; sys.exit('oh dear')"])


def test_measured_programs_may_keep_compiled_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in environment()


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
def test_the_memory_of_a_process_counts_what_it_holds() -> None:
    held = bytearray(os.urandom(1)) * 50_000_000
    with Sampler(os.getpid()) as sampler:
        sampler.sampled.wait()
    assert sampler.peak > len(held)
    assert os.getpid() in family(os.getpid())

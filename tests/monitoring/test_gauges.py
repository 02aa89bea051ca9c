"""Gauges tell the last check to whoever scrapes: whole or not at all, and nothing where it is unknown."""

from __future__ import annotations

import doctest
import math
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jomon.core import gauges_file as naming
from jomon.core.checks import CheckResult
from jomon.core.gauges_file import gauges_file
from jomon.monitoring import gauges as module
from jomon.monitoring.gauges import gauges, gauges_text, write_gauges

from .check_results import WINDOW, check, incident, two_troubles

NOW = WINDOW.end + 3_600_000_000


def read(text: str) -> dict[tuple[str, ...], float]:
    """Samples by name and values of their labels, as Prometheus' own parser reads them."""
    return {
        (
            sample.name,
            *(value for name, value in sorted(sample.labels.items()) if name != "fleet"),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def samples(result: CheckResult) -> dict[tuple[str, ...], float]:
    return read(gauges_text(gauges(result, result.incidents, NOW)))


def test_a_check_with_findings_is_told() -> None:
    found = samples(check("findings"))
    assert found["jomon_monitor_open_incidents", "high"] == 1
    assert found["jomon_monitor_open_incidents", "medium"] == 0
    assert found["jomon_monitor_findings", "low"] == 1
    assert found["jomon_monitor_status", "findings"] == 1 and found["jomon_monitor_status", "quiet"] == 0
    assert found["jomon_monitor_window_end_timestamp_seconds",] == WINDOW.end / 1e6
    assert found["jomon_monitor_checked_timestamp_seconds",] == NOW / 1e6
    assert found["jomon_monitor_p",] == 1 / 115
    assert (found["jomon_monitor_window_rows",], found["jomon_monitor_unknown_tests",]) == (975, 120)


def test_what_is_unknown_has_no_sample_and_is_not_quiet() -> None:
    found = samples(check("unknown"))
    assert found["jomon_monitor_status", "unknown"] == 1 and found["jomon_monitor_status", "quiet"] == 0
    assert not {
        ("jomon_monitor_p",),
        ("jomon_monitor_surprise",),
        ("jomon_monitor_critical_surprise",),
    } & set(found)
    assert all(math.isfinite(value) for value in found.values())


def test_closed_incidents_are_not_open_and_acknowledged_ones_are() -> None:
    first, second = two_troubles()
    known = (
        incident(first, 1, state="closed"),
        incident(first, 2, state="acknowledged"),
        incident(second, 3),
    )
    found = read(gauges_text(gauges(check("quiet"), known, NOW)))
    assert found["jomon_monitor_open_incidents", "high"] == 1
    assert found["jomon_monitor_open_incidents", "low"] == 1
    assert found["jomon_monitor_unacknowledged_incidents",] == 1


def test_names_of_fleets_are_escaped() -> None:
    name = 'fl"ights\\north\nside'
    families = list(
        text_string_to_metric_families(gauges_text(gauges(replace(check(), fleet=name), (), NOW)))
    )
    assert {sample.labels["fleet"] for family in families for sample in family.samples} == {name}


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = gauges_file(tmp_path, "flights")
    for status in ("quiet", "findings"):
        assert write_gauges(path, check(status), (), NOW) == path
    assert read(path.read_text())["jomon_monitor_status", "findings"] == 1
    assert [one.name for one in path.parent.iterdir()] == ["monitor-flights.prom"]


def test_a_disk_that_refuses_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = gauges_file(tmp_path, "flights")
    path.mkdir(parents=True)
    with pytest.raises(OSError):
        write_gauges(path, check(), (), NOW)
    assert [one.name for one in path.parent.iterdir()] == ["monitor-flights.prom"]


def test_examples_hold() -> None:
    assert doctest.testmod(module).failed == doctest.testmod(naming).failed == 0

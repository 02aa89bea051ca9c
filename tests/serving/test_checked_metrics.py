"""The page for Prometheus shows the gauges of checks beside the server's own, and minds no file that is not there."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from jomon.core.gauges_file import gauges_file
from jomon.serving.metrics import Metrics, render

TEXT = """# HELP jomon_monitor_tests Tests that the last check judged.
# TYPE jomon_monitor_tests gauge
jomon_monitor_tests{{fleet="{fleet}"}} {tests}
"""


def left(root: Path, fleet: str, text: str) -> Path:
    path = gauges_file(root, fleet)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def page(folder: Path, *files: Path) -> dict[str, dict[str, float]]:
    Metrics(folder, 0).flush()
    return {
        family.name: {sample.labels.get("fleet", ""): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(render(folder, files).decode())
    }


def test_the_gauges_of_several_fleets_are_one_metric(tmp_path: Path) -> None:
    files = [left(tmp_path, name, TEXT.format(fleet=name, tests=at)) for at, name in enumerate(("a", "b"))]
    found = page(tmp_path / "run", *files)
    assert found["jomon_monitor_tests"] == {"a": 0.0, "b": 1.0}
    assert "jomon_worker_starts" in found
    whole = render(tmp_path / "run", files).decode()
    assert whole.count("# TYPE jomon_monitor_tests gauge") == 1


def test_a_file_that_is_missing_or_broken_says_nothing(tmp_path: Path) -> None:
    half = left(tmp_path, "half", 'jomon_monitor_tests{fleet="x')
    noise = tmp_path / "noise"
    noise.write_bytes(b"\xff\xfe")
    found = page(tmp_path / "run", half, noise, tmp_path / "absent", tmp_path)
    assert "jomon_monitor_tests" not in found and "jomon_worker_starts" in found


def test_only_gauges_of_checks_are_taken_from_a_file(tmp_path: Path) -> None:
    false = "# TYPE jomon_ready gauge\njomon_ready 7.0\n"
    found = page(tmp_path / "run", left(tmp_path, "a", false + TEXT.format(fleet="a", tests=3)))
    assert found["jomon_monitor_tests"] == {"a": 3.0}
    assert 7.0 not in found.get("jomon_ready", {}).values()

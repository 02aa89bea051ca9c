"""Metrics of several workers: cheap to count, summed by whoever is asked, never falling, never in the way."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from jomon.core.gauges_file import PREFIX
from jomon.serving import metric_snapshots, metrics_page
from jomon.serving.metric_families import FAMILIES
from jomon.serving.metrics import Key, Metrics, clear, render

ROWS: Key = ("jomon_rows_total", ("flights",))
SECONDS: Key = ("jomon_request_seconds", ("predict",))
QUEUE: Key = ("jomon_queue_rows", ("flights",))
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(folder: Path) -> Samples:
    """What a scrape sees, as a parser that we did not write reads it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(render(folder).decode())
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


def test_counters_and_histograms_are_summed_over_the_workers(tmp_path: Path) -> None:
    for worker in range(3):
        metrics = Metrics(tmp_path, worker)
        metrics.counts[ROWS] += worker + 1
        metrics.observe(SECONDS, 0.0002)
        metrics.observe(SECONDS, 20.0)
        metrics.flush()
    found = samples(tmp_path)
    assert value(found, "jomon_rows_total", fleet="flights") == 6
    assert value(found, "jomon_worker_starts_total") == 3
    assert value(found, "jomon_request_seconds_bucket", route="predict", le="0.0001") == 0
    assert value(found, "jomon_request_seconds_bucket", route="predict", le="0.00025") == 3
    assert value(found, "jomon_request_seconds_bucket", route="predict", le="10.0") == 3
    assert value(found, "jomon_request_seconds_bucket", route="predict", le="+Inf") == 6
    assert value(found, "jomon_request_seconds_count", route="predict") == 6
    assert value(found, "jomon_request_seconds_sum", route="predict") == pytest.approx(60.0006)


def test_gauges_follow_their_rules(tmp_path: Path) -> None:
    for worker in range(3):
        metrics = Metrics(tmp_path, worker)
        metrics.set(QUEUE, worker)
        metrics.set(("jomon_ready", ()), float(worker != 1))
        metrics.set(("jomon_lookup_age_seconds", ("flights", "weather")), worker * 10)
        metrics.flush()
    found = samples(tmp_path)
    assert value(found, "jomon_queue_rows", fleet="flights") == 3
    assert value(found, "jomon_ready") == 0
    assert value(found, "jomon_lookup_age_seconds", fleet="flights", lookup="weather") == 20
    assert value(found, "process_resident_memory_bytes", worker="2") > 1_000_000


def test_no_counter_falls_when_a_worker_is_replaced(tmp_path: Path) -> None:
    first = Metrics(tmp_path, 0)
    first.counts[ROWS] += 5
    first.observe(SECONDS, 0.5)
    first.set(QUEUE, 7)
    first.flush()
    second = Metrics(tmp_path, 0)
    second.counts[ROWS] += 1
    second.flush()
    found = samples(tmp_path)
    assert value(found, "jomon_rows_total", fleet="flights") == 6
    assert value(found, "jomon_request_seconds_count", route="predict") == 1
    assert value(found, "jomon_worker_starts_total") == 2
    assert ("jomon_queue_rows", (("fleet", "flights"),)) not in found


def test_a_total_that_another_part_counts_goes_on_where_the_former_life_ended(tmp_path: Path) -> None:
    key: Key = ("jomon_journal_bytes_total", ("flights",))
    for life in range(2):
        metrics = Metrics(tmp_path, 0)
        for counted in (10, 10, 25):
            metrics.total(key, counted)
            metrics.flush()
        found = samples(tmp_path)
        assert value(found, "jomon_journal_bytes_total", fleet="flights") == 25 * (life + 1)


def test_a_flush_without_news_writes_nothing_and_one_with_news_does(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    metrics.set(QUEUE, 1)
    metrics.flush()
    path = tmp_path / "0.json"

    def rewritten() -> bool:
        path.unlink(missing_ok=True)
        metrics.flush()
        return path.exists()

    assert not rewritten()
    metrics.set(QUEUE, 1)
    assert not rewritten()
    metrics.counts[ROWS] += 1
    assert rewritten()
    metrics.observe(SECONDS, 0.1)
    assert rewritten()
    metrics.set(QUEUE, 2)
    assert rewritten()
    metrics.drop("jomon_queue_rows", "flights")
    assert rewritten()
    assert not rewritten()


def test_an_idle_worker_shows_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jomon.serving.metrics.BEAT_SECONDS", 0.0)
    metrics = Metrics(tmp_path, 0)
    metrics.flush()
    (tmp_path / "0.json").unlink()
    metrics.flush()
    assert (tmp_path / "0.json").exists()


def test_gauges_of_a_worker_that_was_killed_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics(tmp_path, 0)
    metrics.set(QUEUE, 9)
    metrics.counts[ROWS] += 2
    metrics.flush()
    monkeypatch.setattr(metrics_page, "STALE_SECONDS", -1.0)
    found = samples(tmp_path)
    assert value(found, "jomon_rows_total", fleet="flights") == 2
    assert ("jomon_queue_rows", (("fleet", "flights"),)) not in found


def test_a_worker_that_ends_leaves_its_counters_and_no_gauges(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    metrics.set(QUEUE, 9)
    metrics.counts[ROWS] += 2
    metrics.close()
    found = samples(tmp_path)
    assert value(found, "jomon_rows_total", fleet="flights") == 2
    assert ("jomon_queue_rows", (("fleet", "flights"),)) not in found


def test_drop_forgets_the_gauges_whose_first_labels_match(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    for fleet, image in (("a", "1"), ("a", "2"), ("b", "3")):
        metrics.set(("jomon_image_info", (fleet, f"{fleet}:latest", image)), 1)
    metrics.drop("jomon_image_info", "a")
    metrics.flush()
    images = [dict(labels)["image"] for name, labels in samples(tmp_path) if name == "jomon_image_info"]
    assert images == ["3"]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_not_finite_is_no_gauge(tmp_path: Path, wrong: float) -> None:
    metrics = Metrics(tmp_path, 0)
    metrics.set(QUEUE, 1)
    metrics.set(QUEUE, wrong)
    metrics.flush()
    assert ("jomon_queue_rows", (("fleet", "flights"),)) not in samples(tmp_path)


@given(cut=st.integers(min_value=0), at=st.integers(min_value=0), byte=st.integers(0, 255))
def test_a_snapshot_torn_or_damaged_anywhere_breaks_no_scrape(
    tmp_path_factory: pytest.TempPathFactory, cut: int, at: int, byte: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    for worker in (0, 1):
        metrics = Metrics(folder, worker)
        metrics.counts[ROWS] += 1
        metrics.observe(SECONDS, 0.1)
        metrics.set(QUEUE, 1)
        metrics.flush()
    path = folder / "1.json"
    data = bytearray(path.read_bytes())
    data[at % len(data)] = byte
    path.write_bytes(data[: cut % (len(data) + 1)])
    found = samples(folder)
    assert value(found, "jomon_rows_total", fleet="flights") >= 1
    assert value(found, "jomon_unreadable_snapshots") in (0, 1)
    Metrics(folder, 1).flush()
    assert value(samples(folder), "jomon_unreadable_snapshots") == 0


def test_snapshots_that_cannot_be_read_are_counted_and_the_others_shown(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    metrics.counts[ROWS] += 1
    metrics.flush()
    (tmp_path / "1.json").write_bytes((tmp_path / "0.json").read_bytes()[:-9])
    (tmp_path / "2.json").write_bytes(b"")
    found = samples(tmp_path)
    assert value(found, "jomon_unreadable_snapshots") == 2
    assert value(found, "jomon_rows_total", fleet="flights") == 1


def test_numbers_of_metrics_that_this_program_lacks_are_passed_over(tmp_path: Path) -> None:
    histogram = metric_snapshots.SavedHistogram(SECONDS, [1, 2], 3.0)
    odd = metric_snapshots.Snapshot(
        0.0,
        [(("jomon_dreams_total", ()), 1), (("jomon_rows_total", ()), 1), (ROWS, 4)],
        [histogram],
        [(("jomon_rows_total", ("a",)), 1)],
    )
    metric_snapshots.write_snapshot(tmp_path / "0.json", odd)
    found = samples(tmp_path)
    assert value(found, "jomon_rows_total", fleet="flights") == 4
    assert not [name for name, _ in found if "dreams" in name or "request_seconds" in name]


def test_a_disk_that_refuses_is_counted_and_tried_again(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "metrics", 0)
    metrics.counts[ROWS] += 1
    (tmp_path / "metrics").rename(tmp_path / "away")
    metrics.flush()
    assert metrics.failed_flushes == 1
    (tmp_path / "away").rename(tmp_path / "metrics")
    metrics.flush()
    assert value(samples(tmp_path / "metrics"), "jomon_rows_total", fleet="flights") == 1


def test_a_new_server_clears_what_an_earlier_one_left(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    metrics.counts[ROWS] += 1
    metrics.flush()
    (tmp_path / "1.new").write_bytes(b"half")
    clear(tmp_path)
    assert list(tmp_path.iterdir()) == []
    clear(tmp_path / "absent")


def test_every_metric_of_the_table_is_rendered_with_its_help_and_labels_are_escaped(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    odd = 'a"b\\c\nd'
    for family in FAMILIES.values():
        key: Key = (family.name, tuple(odd for _ in family.labels))
        if family.kind == "counter":
            metrics.counts[key] += 1
        elif family.kind == "histogram":
            metrics.observe(key, 3)
        else:
            metrics.set(key, 1)
    metrics.flush()
    read = {family.name: family for family in text_string_to_metric_families(render(tmp_path).decode())}
    assert set(read) == {name.removesuffix("_total") for name in FAMILIES}
    for name, family in FAMILIES.items():
        found = read[name.removesuffix("_total")]
        assert (found.type, found.documentation) == (family.kind, family.help)
        assert all(found.samples[0].labels[label] == odd for label in family.labels)


def test_every_name_help_and_label_is_well_formed() -> None:
    for name, family in FAMILIES.items():
        assert name.endswith("_total") == (family.kind == "counter")
        assert bool(family.bounds) == (family.kind == "histogram")
        assert family.bounds == tuple(sorted(set(family.bounds)))
        assert family.help.endswith(".") or family.help.startswith("1 ")
        assert not {"le", "worker"} & set(family.labels)


def test_every_metric_that_the_server_names_is_in_the_table() -> None:
    sources = [
        path for path in Path(metrics_page.__file__).parent.glob("*.py") if path.name != "metric_families.py"
    ]
    named = {
        name
        for path in sources
        for name in re.findall(r'"(jomon_[a-z_]+)"', path.read_text(encoding="utf-8"))
    }
    assert len(named) > 15
    assert named <= set(FAMILIES)


def test_the_page_on_observing_a_server_tells_of_every_metric() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "observe-a-server.md").read_text(encoding="utf-8")
    assert [name for name in FAMILIES if f"`{name}`" not in page] == []
    told = [name for name in re.findall(r"`(jomon_[a-z_]+)`", page) if not name.startswith(PREFIX)]
    assert [
        name for name in told if name not in FAMILIES
    ] == []  # those of checks: tests/monitoring/test_gauges.py


@pytest.mark.parametrize("name", ["", "../0", "a b", "."])
def test_a_worker_has_a_name_that_is_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        Metrics(tmp_path, name)


WRITER = """
import sys
from jomon.serving.metrics import Metrics
metrics = Metrics(sys.argv[1], 1)
for at in range(2000):
    metrics.counts["jomon_refused_total", ("flights", f"reason {at}")] += 1
    metrics.flush()
"""


def test_a_scrape_while_workers_write_never_sees_half_a_snapshot(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
    while writer.poll() is None:
        assert value(samples(tmp_path), "jomon_unreadable_snapshots") == 0
    assert writer.returncode == 0
    assert len([name for name, _ in samples(tmp_path) if name == "jomon_refused_total"]) == 2000

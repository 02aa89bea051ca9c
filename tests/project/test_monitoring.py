from __future__ import annotations

import json

import pytest

from jomon.cli.main import app
from jomon.core.checks import CheckResult
from jomon.core.errors import DataError, JomonError
from jomon.project import Project
from jomon.project.monitoring import Monitor, moment_of, open_monitor
from jomon.project.replaying import Replay, Wish

from .conftest import CHANNEL, REGION, ROOT, Workshop

FAULTS = ("scale x 4 in region=r1", "flip in region=r5")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A fleet of 16 parts with 800 rows a day, built on 30 of 60 days."""
    workshop = Workshop(tmp_path_factory.mktemp("watched"))
    rows = workshop.rows(per_day=800)
    spec = workshop.spec(
        stages=(ROOT, REGION, CHANNEL),
        evaluation={"holdout": "30d", "step": "10d", "trials": 1, "bootstrap": 100},
    )
    project = workshop.make("shop", rows, spec)
    project.ingest()
    project.build()
    return project


def replayed(project: Project, since: str, until: str, faults: tuple[str, ...] = ()) -> None:
    replay = Replay(project.home, Wish(project.latest, since, until, faults=faults))
    replay.play()
    replay.finish()
    assert replay.report().whole


def checked(project: Project, since: str, until: str) -> tuple[Monitor, list[CheckResult]]:
    monitor = open_monitor(project.home, project)
    start, end = (moment_of(project.home, project, None, day) for day in (since, until))
    return monitor, list(monitor.run(monitor.closed(start, end)))


def test_nothing_answered_is_said_in_a_sentence(made: Project) -> None:
    with pytest.raises(DataError, match="answered is in the tables yet"):
        open_monitor(made.home, made)


def test_a_week_a_broken_day_and_a_gap(made: Project, capsys: pytest.CaptureFixture[str]) -> None:
    replayed(made, "2024-02-10", "2024-02-14")
    _, quiet = checked(made, "2024-02-10", "2024-02-14")
    assert [result.status for result in quiet] == ["quiet"] * 4
    assert all(result.rows == 800 and result.tests > 100 and result.signals for result in quiet)
    assert checked(made, "2024-02-10", "2024-02-14")[1] == []  # once is enough

    replayed(made, "2024-02-15", "2024-02-17", FAULTS)
    monitor, found = checked(made, "2024-02-14", "2024-02-17")
    gap, first, second = found
    assert gap.status == "unknown"
    assert "no row came" in gap.reason
    for result in (first, second):
        told = {(part.text, one.cause.kind) for one in result.troubles for part in one.parts}
        assert ("region=r1", "unit_changed") in told
        assert ("region=r5", "labels_flipped") in told
    assert {one.name for one in first.incidents} <= {one.name for one in second.incidents}
    assert all(one.windows == 2 for one in second.incidents if one.name in {i.name for i in first.incidents})

    page = monitor.write_report(second, made.folder / "check.html", "pt-BR").read_text(encoding="utf-8")
    assert "region=r1" in page
    assert len(page) < 300_000
    assert (made.home.root / "metrics" / f"monitor-{made.spec.fleet}.prom").read_text().count("jomon_") > 3

    status = app(
        ["monitor", "--project", str(made.folder), "--json", "--fail-on", "low"], standalone_mode=False
    )
    assert status == 1
    assert json.loads(capsys.readouterr().out) == []


def test_what_comes_later_is_checked_once_more(made: Project) -> None:
    before = open_monitor(made.home, made).closed()
    replayed(made, "2024-02-14", "2024-02-15")
    monitor = open_monitor(made.home, made)
    late = monitor.closed()
    assert before == []
    assert len(late) == 1
    (result,) = monitor.run(late)
    assert result.status != "unknown"
    assert result.rows == 800


@pytest.mark.parametrize(
    "fault, said",
    [
        ("break x in region=r1", "is no fault"),
        ("scale x much in region=r1", "is no number"),
        ("scale y 2 in region=r1", "no caller sends"),
        ("scale region 2 in region=r1", "which is no number"),
        ("null x in region=nowhere", "would break nothing"),
    ],
)
def test_a_fault_that_is_none_is_refused(made: Project, fault: str, said: str) -> None:
    with pytest.raises(JomonError, match=said):
        Replay(made.home, Wish(made.latest, "2024-02-20", "2024-02-21", faults=(fault,)))


def test_looking_again_spends_nothing(made: Project) -> None:
    """The false-discovery procedure over the stream of checks counts a window once."""
    monitor = open_monitor(made.home, made)
    before = monitor.ledger.online(made.spec.fleet)
    windows = monitor.closed(again=True)
    assert len(list(monitor.run(windows))) == len(windows) > 4
    assert monitor.ledger.online(made.spec.fleet) == before
    assert before is not None
    assert before["tests"] <= len(windows)

"""`jomon incidents`: what is not closed is listed, one is shown with its evidence, and people take on and close."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jomon.core.findings import Cause, Span
from jomon.core.incidents import Trouble
from jomon.project.home import Home
from jomon.project.incidents import ledger_of

Run = Callable[..., Any]
Make = Callable[..., Trouble]
DAY = 86_400_000_000
FIRST = 19_723  # 2024-01-01


@pytest.fixture
def home(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose clocks are those of Lisbon, which are those of UTC in winter; nothing was monitored yet."""
    monkeypatch.delenv("JOMON_LEDGER", raising=False)
    assert run("init", tmp_path / "sales").status == 0
    return tmp_path / "sales"


@pytest.fixture
def troubled(home: Path, make_trouble: Make) -> Path:
    """The project with an incident of two days and another that was closed."""
    with ledger_of(Home(home / ".jomon")) as ledger:
        for day in (FIRST, FIRST + 1):
            loss = None if day == FIRST else 4.5
            said = [make_trouble(day, "shop=park,shop=harbour", "price", severity="high", loss=loss)]
            ledger.record("sales", Span(day * DAY, (day + 1) * DAY), said, at=day * DAY)
        window = Span((FIRST + 2) * DAY, (FIRST + 3) * DAY)
        ledger.record("sales", window, [make_trouble(FIRST + 2, "(all)", "rows", "missing_rows")], at=0)
        ledger.close_incident("sales-2", "ben", 0, "a holiday")
    return home


def test_where_nothing_was_monitored_there_are_none_and_no_ledger_is_made(run: Run, home: Path) -> None:
    assert run("incidents", "list", "-p", home).out == "No open incidents.\n"
    assert run("incidents", "list", "--all", "-p", home).out == "No incidents.\n"
    assert run("incidents", "list", "--state", "closed", "-p", home).out == "No closed incidents.\n"
    assert run("incidents", "list", "-p", home, "--json").json == []
    for words in (["show", "sales-1"], ["ack", "sales-1"], ["close", "sales-1", "--note", "x"]):
        ran = run("incidents", *words, "-p", home)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err == "jomon: There is no incident 'sales-1'; nothing was monitored here yet.\n"
    assert not (home / ".jomon" / "ledger.db").exists()


def test_those_not_closed_are_listed(run: Run, troubled: Path) -> None:
    head, line, *more = run("incidents", "list", "-p", troubled).out.splitlines()
    assert head.split() == ["NAME", "STATE", "SEVERITY", "SEEN", "WINDOWS", "ROWS", "WHERE", "CAUSE"]
    assert line.split()[:3] == ["sales-1", "open", "high"]
    told = " ".join([line, *more])
    for part in ("2024-01-01 to", "2024-01-02", "110", "shop=park,", "shop=harbour", "1.609"):
        assert part in told, told
    assert "sales-2" not in told


def test_others_are_listed_on_request(run: Run, troubled: Path) -> None:
    def names(*words: str) -> list[str]:
        return [one["name"] for one in run("incidents", "list", *words, "-p", troubled, "--json").json]

    assert names() == ["sales-1"]
    assert names("--all") == ["sales-2", "sales-1"]
    assert names("--state", "closed") == ["sales-2"]
    assert names("--state", "acknowledged") == []
    assert names("--all", "--fleet", "sales") == ["sales-2", "sales-1"]
    assert names("--all", "--fleet", "other") == []


def test_one_is_shown_with_evidence_bins_windows_and_timeline(run: Run, troubled: Path) -> None:
    ran = run("incidents", "show", "sales-1", "-p", troubled)
    assert (ran.status, ran.err) == (0, "")
    lines = [line.split() for line in ran.out.splitlines()]
    assert ran.out.startswith("sales-1: price is 1.609 times what it was\n")
    for words in (
        ["state", "open"],
        ["cause", "unit_changed,", "confidence", "93.0%"],
        ["where", "shop=park,", "shop=harbour"],
        ["last", "window", "55", "rows", "of", "2", "members"],
        ["cost", "+4.5000", "[+4.5000,", "+4.5000]", "loss", "in", "the", "last", "window"],
        ["EVIDENCE", "VALUE"],
        ["factor", "1.609"],
        ["drift", "price", "shop=park", "+0.600", "[+0.500,", "+0.700]", "0.0001", "55", "50.0"],
        ["price", "OF", "shop=park", "OBSERVED", "EXPECTED", "SHARE", "OBSERVED", "SHARE", "EXPECTED"],
        ["below", "500", "5", "30.0", "##", "-------------"],
        ["500", "or", "more", "50", "20.0", "####################", "---------"],
        ["2024-01-01", "high", "unit_changed", "shop=park,", "shop=harbour", "price", "55", "unknown"],
        ["2024-01-02", "high", "unit_changed", "shop=park,", "shop=harbour", "price", "55", "+4.5000"],
        [
            "2024-01-01",
            "00:00",
            "opened",
            "jomon",
            "monitor",
            "price",
            "is",
            "1.609",
            "times",
            "what",
            "it",
            "was",
        ],
    ):
        assert words in lines, ran.out
    assert max(map(len, ran.out.splitlines())) <= 120


def test_one_is_shown_as_json(run: Run, troubled: Path) -> None:
    shown = run("incidents", "show", "sales-1", "-p", troubled, "--json").json
    assert (shown["name"], shown["windows"], shown["rows"], shown["loss"]) == ("sales-1", 2, 110, 4.5)
    assert shown["findings"][0]["observed"] == [5.0, 50.0]
    assert [one["start"] for one in shown["seen"]] == [FIRST * DAY, (FIRST + 1) * DAY]
    assert [event["act"] for event in shown["events"]] == ["opened"]


def test_evidence_of_any_form_is_shown(run: Run, home: Path, make_trouble: Make) -> None:
    evidence = {"flipped": True, "rows": 12345, "share_found": 0.123456, "which": list(range(9)), "none": None,
                "from": {"UA": 0.5}, "wild": float("inf")}  # fmt: skip
    trouble = replace(
        make_trouble(FIRST), cause=Cause("stuck", "it [bold] stands", 0.5, evidence), findings=()
    )
    with ledger_of(Home(home / ".jomon")) as ledger:
        ledger.record("sales", trouble.window, [trouble], at=0)
    ran = run("incidents", "show", "sales-1", "-p", home)
    lines = [line.split() for line in ran.out.splitlines()]
    for words in (["flipped", "yes"], ["rows", "12,345"], ["share", "found", "0.1235"], ["none", "unknown"],
                  ["which", "0,", "1,", "2,", "3,", "4,", "5,", "and", "3", "more"], ["from", "UA", "0.5"],
                  ["wild", "inf"], ["cost", "unknown"]):  # fmt: skip
        assert words in lines, ran.out
    assert "it [bold] stands" in ran.out
    assert (
        run("incidents", "show", "sales-1", "-p", home, "--json").json["cause"]["evidence"]["wild"] == "inf"
    )


def test_a_person_takes_one_on_and_closes_it(run: Run, troubled: Path) -> None:
    ran = run("incidents", "ack", "sales-1", "--note", "looking", "-p", troubled)
    assert ran.out == f"Acknowledged: sales-1, by {getpass.getuser()}.\n"
    taken = run("incidents", "ack", "sales-1", "--as", "anna", "-p", troubled, "--json").json
    assert (taken["state"], taken["owner"]) == ("acknowledged", "anna")
    assert ["state", "acknowledged", "by", "anna"] in [
        line.split() for line in run("incidents", "show", "sales-1", "-p", troubled).out.splitlines()
    ]
    ran = run("incidents", "close", "sales-1", "--note", "mended", "--as", "anna", "-p", troubled)
    assert (ran.status, ran.out) == (0, "Closed: sales-1.\n")
    assert run("incidents", "list", "-p", troubled).out == "No open incidents.\n"
    timeline = run("incidents", "show", "sales-1", "-p", troubled, "--json").json["events"]
    assert [(event["act"], event["who"], event["note"]) for event in timeline][1:] == [
        ("acknowledged", getpass.getuser(), "looking"), ("acknowledged", "anna", ""), ("closed", "anna", "mended"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["close", "sales-2", "--note", "x"],
            "The incident sales-2 is closed already, by ben: `jomon incidents show",
        ),
        (["close", "sales-1", "--note", " "], "The incident sales-1 is closed with a reason"),
        (["close", "sales-1"], "Missing option '--note'"),
        (["ack", "sales-2"], "The incident sales-2 is closed: there is nothing to acknowledge"),
        (["ack", "sales-1", "--as", " "], "--as needs a name in visible characters"),
        (["ack", "sale-1"], "There is no incident 'sale-1'; did you mean 'sales-1'?"),
        (["show", "sales"], "'sales' is not the name of an incident: write it as flights-7"),
        (
            ["list", "--state", "over"],
            "'over' is no state of an incident: choose from open, acknowledged, closed",
        ),
        (["list", "--all", "--state", "open"], "--all and --state exclude each other"),
    ],
)
def test_what_cannot_be_is_one_sentence(run: Run, troubled: Path, words: list[str], sentence: str) -> None:
    ran = run("incidents", *words, "-p", troubled)
    assert (ran.status, ran.out) == (2, "")
    assert sentence in ran.err
    assert ran.err.count("\n") == 1


def test_closing_tells_the_webhook_or_says_that_it_waits(
    run: Run, troubled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = troubled / "jomon.yaml"
    declared = "\nmonitor: {webhook: {url_from: SALES_HOOK}}\n"
    file.write_text(file.read_text(encoding="utf-8") + declared, encoding="utf-8")
    monkeypatch.delenv("SALES_HOOK", raising=False)
    ran = run("incidents", "close", "sales-1", "--note", "mended", "-p", troubled)
    assert ran.status == 0
    assert " ".join(ran.out.split()) == (
        "Closed: sales-1. The environment variable SALES_HOOK (monitor.webhook.url_from) is not set: "
        "news of incidents wait."
    )


def test_another_place_of_the_ledger_is_taken_from_the_environment(
    run: Run, troubled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOMON_LEDGER", str(tmp_path / "other.db"))
    assert run("incidents", "list", "-p", troubled).out == "No open incidents.\n"
    monkeypatch.setenv("JOMON_LEDGER", f"sqlite:///{troubled / '.jomon' / 'ledger.db'}")
    assert [one["name"] for one in run("incidents", "list", "-p", tmp_path / "sales", "--json").json] == [
        "sales-1"
    ]
    monkeypatch.setenv("JOMON_LEDGER", "postgresql://me:secret@127.0.0.1:1/x")
    ran = run("incidents", "list", "-p", troubled)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("jomon: The ledger postgresql://127.0.0.1:1/x cannot be used (")
    assert "secret" not in ran.err

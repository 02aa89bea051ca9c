"""The report is one self-contained, accessible page that says what the numbers say and nothing else."""

from __future__ import annotations

import doctest
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from jomon.core.errors import JomonError
from jomon.evaluation import report_text
from jomon.evaluation.report import plain_words, render_report, write_report
from jomon.evaluation.report_plots import running
from jomon.evaluation.report_style import DARK, LIGHT
from jomon.evaluation.report_text import PLAYERS, verdict

HOSTILE = "<script>alert('x')</script> & \"quoted\" $x^2$ 日本"


def estimate(value: float | None, half: float = 0.01, **more: Any) -> dict[str, Any]:
    if value is None:
        return {"value": None, "low": None, "high": None, "rows": 0, "reason": "no rows"}
    return {"value": value, "low": value - half, "high": value + half, "rows": 900, **more}


def a_result(kind: str = "binary", segments: int = 6) -> dict[str, Any]:
    metrics = {
        "binary": ["log_loss", "roc_auc", "brier", "calibration_error"],
        "regression": ["rmse", "mae"],
    }[kind]
    players = {p: {m: estimate(0.5 + 0.01 * i) for m in metrics} for i, p in enumerate(PLAYERS)}
    return {
        **players,
        "image": "sha256:" + "ab" * 32,
        "name": "flights:latest",
        "question": "Late?",
        "fleet_name": "flights",
        "kind": kind,
        "window": {"from": "2013-09-23", "to": "2013-12-31", "weeks": 5, "rows": 900},
        "metrics": metrics,
        "difference": {
            p: {m: estimate(-0.02 * i, 0.01) for m in metrics} for i, p in enumerate(list(PLAYERS)[1:])
        },
        "compute": {p: {"seconds": 10.0 * (i + 1), "fits": i + 1} for i, p in enumerate(PLAYERS)},
        "weekly": [
            {
                "start": f"2013-10-{1 + 7 * w:02}",
                "rows": 100 + w,
                "loss": {p: 0.5 + 0.01 * i for i, p in enumerate(PLAYERS)},
            }
            for w in range(4)
        ],
        "stages": [
            stage(0, [], -0.09, "pays"),
            stage(1, ["carrier", "origin"], -0.004, "pays"),
            stage(2, ["season"], 0.0, "brings nothing"),
            stage(3, ["dest"], 0.003, "harms"),
            stage(4, ["occasion"], None, "unknown"),
        ],
        "segments": [
            {
                "stage": 1,
                "segment": f"carrier=C{i}",
                "rows": 50 + i,
                "loss": 0.4,
                "difference": estimate(0.01 * (i % 7 - 3)),
                "significant": ["", "worse", "better"][i % 3],
            }
            for i in range(segments)
        ],
        "calibration": {
            p: [
                {"predicted": 0.1 * b, "observed": 0.1 * b, "low": 0.08 * b, "high": 0.12 * b, "rows": 90}
                for b in range(1, 6)
            ]
            for p in PLAYERS
        }
        if kind == "binary"
        else {},
        "plainly": ["The fleet pays.", "Stage 2 brings nothing."],
    }


def only(result: dict[str, Any], *sections: str) -> dict[str, Any]:
    """The result without the sections (and so the plots) that a test does not look at."""
    dropped = {"weekly", "stages", "segments", "calibration", "compute"} - set(sections)
    return {name: value for name, value in result.items() if name not in dropped}


def stage(number: int, level: list[str], brought: float | None, word: str) -> dict[str, Any]:
    counts = {"candidates": 9, "accepted": 4, "rejected": 2, "unknown": 2, "failed": 1}
    return {
        "stage": number,
        "level": level,
        "estimator": "lightgbm",
        **counts,
        "answered_share": 0.5,
        "brought": estimate(brought, 0.001),
        "verdict": word,
        "seconds": 2.5,
    }


class Page(HTMLParser):
    """Collects what a browser would see: tags with attributes, ids, text outside styles."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(a_result())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_plain_words_come_before_every_table_and_plot(html: str) -> None:
    assert html.index("The fleet pays.") < min(html.index("<table"), html.index("<figure"))
    assert html.index("Stage 2 brings nothing.") < html.index("<table")


def test_every_section_of_the_evaluation_is_there(page: Page) -> None:
    for words in (
        "Four ways to answer",
        "Over time",
        "Which stages pay",
        "Segment by segment",
        "What it cost",
    ):
        assert words in page.text
    for name in PLAYERS.values():
        assert name in page.text


def test_the_page_loads_nothing_and_runs_nothing(html: str, page: Page) -> None:
    assert not page.named("script")
    assert not page.named("img")
    assert not page.named("link")
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    links = [v for _, attrs in page.tags for k, v in attrs.items() if k in ("href", "xlink:href", "src")]
    assert all(v is not None and v.startswith("#") for v in links)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert "default-src 'none'" in html


def test_every_text_is_escaped() -> None:
    result = a_result()
    for key in ("name", "question", "image", "kind"):
        result[key] = HOSTILE
    result["plainly"] = [HOSTILE]
    result["window"]["from"] = HOSTILE
    result["stages"][1] |= {"level": [HOSTILE], "estimator": HOSTILE, "verdict": HOSTILE}
    result["segments"][0] |= {"segment": HOSTILE, "significant": HOSTILE}
    result["fleet"]["log_loss"] |= {"method": HOSTILE}
    result["difference"]["local"]["brier"] = {
        "value": None,
        "low": None,
        "high": None,
        "rows": 0,
        "reason": HOSTILE,
    }
    html = render_report(result)
    assert "<script" not in html
    assert HOSTILE in Page(html).text


def test_each_plot_is_well_formed_and_has_a_title_and_a_description(html: str) -> None:
    plots = re.findall(r"<svg.*?</svg>", html, flags=re.S)
    assert len(plots) == 12  # six plots, wide and narrow
    for plot in plots:
        root = ElementTree.fromstring(plot)
        assert root.get("role") == "img"
        named = {e.get("id"): e.text for e in root if e.tag.endswith(("title", "desc"))}
        assert list(named) == (root.get("aria-labelledby") or "").split()
        assert all(named.values())


def test_identifiers_are_unique_and_every_reference_has_its_target(html: str, page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', html)) <= set(ids)
    labels = [name for _, attrs in page.tags for name in (attrs.get("aria-labelledby") or "").split()]
    assert set(labels) <= set(ids)


def test_tables_have_captions_and_their_headers_have_a_scope(page: Page) -> None:
    assert len(page.named("caption")) == len(page.named("table")) == 5
    assert {attrs.get("scope") for attrs in page.named("th")} == {"col", "row"}


def test_plots_take_every_colour_from_the_page(html: str) -> None:
    plots = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.S))
    assert re.findall(r"#[0-9a-f]{6}", plots) == []
    assert set(re.findall(r"var\(--([a-z-]+)\)", html)) <= {name.replace("_", "-") for name in LIGHT}
    assert LIGHT.keys() == DARK.keys()


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_stands_out_from_the_paper(colours: dict[str, str]) -> None:
    """Contrast of at least 4.5 (WCAG AA) for words, 3 for lines and dots that carry meaning."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, two: str) -> float:
        bright, dim = sorted((luminance(colours[one]), luminance(colours[two])), reverse=True)
        return (bright + 0.05) / (dim + 0.05)

    for paper in ("paper", "panel"):
        assert all(contrast(name, paper) >= 4.5 for name in ("ink", "soft", "good", "bad"))
    assert all(contrast(name, "paper") >= 3.0 for name in (*PLAYERS, "even"))


def test_what_is_not_known_is_a_dash_with_its_reason_and_never_nan() -> None:
    result = a_result()
    result["fleet"]["brier"] = estimate(None)
    result["difference"]["local"]["log_loss"] = estimate(float("nan"))
    result["weekly"][1]["loss"]["local"] = None
    result["weekly"][2]["loss"]["fleet"] = float("nan")
    result["segments"][2]["difference"] = estimate(None)
    result["segments"][3]["loss"] = None
    result["compute"]["local"] = {"seconds": None, "fits": None}
    page = Page(render_report(result))
    assert "no rows" in page.text
    assert not re.search(r"\bnan\b", page.text, flags=re.I)


def test_a_result_of_nothing_but_a_name_is_a_page_that_says_so() -> None:
    page = Page(render_report({"name": "empty:latest"}))
    assert "Nothing was measured" in page.text
    assert not page.named("svg")


def test_a_regression_has_no_calibration_and_its_own_metrics() -> None:
    text = Page(render_report(only(a_result("regression"), "calibration"))).text
    assert "RMSE" in text
    assert "Do predictions come true" not in text


def test_thousands_of_segments_give_a_page_that_opens() -> None:
    result = a_result(segments=3000)
    for segment in result["segments"]:
        segment["significant"] = ""
    result["segments"][1500]["significant"] = "worse"
    html = render_report(only(result, "segments"))
    assert len(html) < 4_000_000
    text = Page(html).text
    assert "3,000 segments" in text
    assert "are drawn: every significant one" in text
    table = html[html.index("All segments as a table") :]
    assert "3,000 segments" in table
    assert table.index("carrier=C1500<") < table.index("carrier=C6<")


def test_segments_that_had_too_few_rows_for_a_test_are_not_counted_as_quiet() -> None:
    result = a_result()
    for segment in result["segments"][:4]:
        segment["tested"] = True
    result["segments"][4]["significant"] = result["segments"][5]["significant"] = ""
    text = Page(render_report(only(result, "segments"))).text
    assert "Of 6 segments 4 have enough rows for a test." in text
    assert "too few rows" in text


def test_weekly_means_and_stages_are_named_by_the_loss_and_not_by_the_root_of_its_mean() -> None:
    text = Page(render_report(only(a_result("regression"), "weekly"))).text
    assert "Squared error of each week" in text
    assert "RMSE of each week" not in text


def test_reasons_of_stages_and_settings_of_players_are_shown() -> None:
    result = a_result()
    result["stages"][2]["reason"] = "not shown to be better"
    result["chosen"] = {"local": {"num_leaves": 15}}
    text = Page(render_report(only(result, "stages", "compute"))).text
    assert "not shown to be better" in text
    assert "num_leaves 15" in text


def test_equal_results_give_equal_bytes_also_straight_from_json(html: str) -> None:
    assert render_report(json.loads(json.dumps(a_result()))) == html


def test_the_report_is_written_where_asked(tmp_path: Path) -> None:
    result = {"name": "日本:latest"}
    path = write_report(result, str(tmp_path / "report.html"))
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == render_report(result)


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(JomonError, match="name a file in a folder that you may write to"):
        write_report({"name": "x"}, tmp_path / "missing" / "report.html")


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(JomonError, match=re.escape('pip install "jomon[report]"')):
        render_report(a_result())


def test_without_sentences_the_differences_and_stages_speak() -> None:
    result = a_result() | {"plainly": []}
    words = plain_words(result)
    assert words[0].startswith("Against one global model, kept: no difference shown")
    assert words[1].startswith("Against one global model, retrained: better")
    assert "Stage 2 (season): brings nothing." in words


def test_a_higher_area_is_better_and_a_higher_loss_is_worse() -> None:
    above, below, across = estimate(0.5), estimate(-0.5), estimate(0.0)
    assert (verdict("roc_auc", above), verdict("log_loss", above)) == ("better", "worse")
    assert (verdict("roc_auc", below), verdict("log_loss", below)) == ("worse", "better")
    assert verdict("log_loss", across) == "no difference shown"
    assert verdict("log_loss", {}) == "unknown"


def test_the_running_difference_ends_at_the_mean_over_all_rows() -> None:
    from datetime import date

    weeks = [
        (date(2013, 10, 1 + w), {"rows": 10 * (w + 1), "loss": {"fleet": 0.1 * w, "local": 0.3}})
        for w in range(5)
    ]
    _, value, low, high = running(weeks, "local")
    expected = sum(10 * (w + 1) * (0.1 * w - 0.3) for w in range(5)) / 150
    assert value[-1] == pytest.approx(expected)
    assert low[-1] < expected < high[-1]
    assert not any(low[:2] == low[:2]), "no interval before the third week"


def test_the_examples_of_the_wording_are_true() -> None:
    assert doctest.testmod(report_text).failed == 0

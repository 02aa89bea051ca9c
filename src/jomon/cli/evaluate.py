"""`jomon evaluate`: the fleet beside its peers on later time."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, stdout, table
from jomon.cli.door import kept
from jomon.cli.options import Json, ProjectDir, project_here, shown_path
from jomon.cli.steps import Steps

if TYPE_CHECKING:
    from jomon.project.project import Project

PLAYERS = {
    "fleet": "the fleet",
    "global_kept": "global, kept",
    "global_retrained": "global, retrained",
    "local": "local models",
}
WIDE = 100  # columns from which shares and seconds of stages are shown beside their verdicts
REPORTS = ".jomon/reports"


def evaluate(
    reference: Annotated[
        str | None,
        typer.Argument(metavar="[REF]", help="The image; by default FLEET:latest.", show_default=False),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Evaluate even if a result is attached already.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the report goes; by default .jomon/reports in the project."),
    ] = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Run the fleet week by week through held-out time, beside the models it has to beat.

    These are one global model kept, the same trained again every week, and independent local models, each tuned alike.
    The result is attached to the image and written as an HTML report.
    """
    opened = project_here(project)
    result = run_evaluate(opened, reference, again=again, shown=not as_json)
    report = write_report(opened, result, html)
    if as_json:
        print_json({**result, "report": None if report is None else str(report)})
    else:
        show_evaluation(result)
        if report is not None:
            say(f"Report: {shown_path(report)}")
        else:
            say('No HTML report: matplotlib is not installed (pip install "jomon[report]").', style="dim")
    return 0


def run_evaluate(project: Project, reference: str | None, *, again: bool, shown: bool) -> dict[str, Any]:
    """Evaluate with one line a step."""
    with (
        kept("models fitted for the comparison are in the build cache, run the command again to go on"),
        Steps(shown) as steps,
    ):
        steps.title(f"Evaluating {reference or project.latest}")
        steps.begin("reading gold")
        peers = [0]

        def told(step: str, done: int) -> None:
            if step == "operate":
                steps.end("operate the fleet day by day") if done else steps.begin(
                    "operating the fleet day by day"
                )
                if done:
                    steps.begin("tuning and fitting what it is compared with")
            elif step == "peers":
                peers[0] += done
                steps.advance(done, " fits")
            elif step == "compare":
                fits = words.of_things(peers[0], "fit")
                steps.end(f"tune and fit what it is compared with, and compare ({fits} or cached)")

        result = project.evaluate(reference, again=again, told=told)
        if result["cached"]:
            steps.end("the evaluation attached to the image", cached=True)
        return result


def write_report(project: Project, result: dict[str, Any], html: Path | None) -> Path | None:
    """Write the HTML report, or nothing where matplotlib is missing and no file was asked for."""
    if html is None and importlib.util.find_spec("matplotlib") is None:
        return None
    from jomon.project.evaluating import write_html

    if html is None:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", str(result["name"]))
        html = project.folder / REPORTS / f"{name}.html"
        html.parent.mkdir(parents=True, exist_ok=True)
    return write_html(result, html)


def show_evaluation(result: dict[str, Any]) -> None:
    """The players, the stages, the cost, and what it all means in sentences."""
    window = result["window"]
    say()
    weeks = f"{window['from']} to {window['to']} ({window['weeks']:g} weeks)"
    say(f"Held out: {words.count(window['rows'])} rows, {weeks}; 95% intervals, days resampled.")
    show(_players(result))
    say()
    show(_stages(result))
    say()
    show(_compute(result))
    say()
    for sentence in result["plainly"]:
        say(f"- {sentence}")
    say()


def _players(result: dict[str, Any]) -> Any:
    out = table("", "VALUE", "THE FLEET'S DIFFERENCE")
    for name in result["metrics"]:
        better = "higher is better" if name == "roc_auc" else "lower is better"
        out.add_row(f"{words.metric(name)} ({better})", style="bold")
        values = [result[player][name]["value"] for player in PLAYERS]
        digits = words.digits_for(values)
        for player, told in PLAYERS.items():
            value = words.interval(result[player][name], digits, sign=False)
            difference = result["difference"].get(player)
            out.add_row(
                f"  {told}", value, "" if difference is None else words.interval(difference[name], digits)
            )
    return out


def _stages(result: dict[str, Any]) -> Any:
    wide = stdout().width >= WIDE
    more = ("ANSWERED", "FITTING") if wide else ()
    metric = words.metric(result["metrics"][0])
    out = table("STAGE", "LEVEL", f"CHANGE OF {metric.upper()}", "VERDICT", *more, right=more, wrap=["LEVEL"])
    digits = words.digits_for([stage["brought"]["high"] for stage in result["stages"]])
    for stage in result["stages"]:
        verdict = stage["verdict"] if stage["accepted"] or stage["verdict"] != "unknown" else "not kept"
        colour = {"pays": "green", "harms": "red"}.get(verdict)
        extra = (words.share(stage["answered_share"]), words.seconds(stage["seconds"])) if wide else ()
        brought = words.interval(stage["brought"], digits)
        out.add_row(str(stage["stage"]), words.level(stage["level"]), brought, verdict, *extra, style=colour)
    return out


def _compute(result: dict[str, Any]) -> Any:
    out = table("COMPUTE", "FITS", "SECONDS", right=["FITS", "SECONDS"])
    for player, told in PLAYERS.items():
        spent = result["compute"][player]
        out.add_row(told, words.count(int(spent["fits"])), f"{spent['seconds']:.1f}")
    return out

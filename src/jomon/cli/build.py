"""`jomon build`: from gold to an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, stdout, table
from jomon.cli.door import kept
from jomon.cli.options import Json, ProjectDir, project_here
from jomon.cli.steps import Steps

if TYPE_CHECKING:
    from jomon.project.build_report import BuildReport
    from jomon.project.project import Project

KEPT = "fitted members are in the build cache, run the command again to go on"
WIDE = 104  # columns from which headings are written out


def build(
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", "-t", metavar="NAME[:TAG]", help="A name for the image; may be repeated."),
    ] = None,
    refresh: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="What is fitted again: all, stage=N, member=SEGMENT, or stale; the rest keeps its key.",
        ),
    ] = "all",
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, metavar="N", help="Processes that fit; by default one a core."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Fit every member, and compare with nothing.")
    ] = False,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Train the fleet, judge every stage and member, and store the result as an image.

    Members whose lineage is in the build cache are not fitted again. Failed members do not stop a build: they are
    listed, and the chain answers without them.
    """
    opened = project_here(project)
    report = run_build(
        opened, tuple(tag or ()), refresh=refresh, workers=workers, use_cache=not no_cache, shown=not as_json
    )
    if as_json:
        print_json(report.document())
    else:
        show_build(report)
    return 0


def run_build(
    project: Project,
    names: tuple[str, ...] = (),
    *,
    refresh: str = "all",
    workers: int | None = None,
    use_cache: bool = True,
    shown: bool = True,
) -> BuildReport:
    """Build with numbered steps, bars while members are fitted, and the image at the end."""
    with kept(KEPT), Steps(shown) as steps:
        spec = project.spec
        steps.title(f"Building {spec.fleet} ({words.of_things(len(spec.stages), 'stage')})")
        progress = BuildSteps(steps, len(spec.stages))
        steps.begin("reading gold")
        report = project.build(names, refresh, progress, workers, use_cache)
        if report.cached:
            for stage in report.stages:
                steps.end(_stage_text(stage, len(spec.stages)), cached=True, took=0.0)
        size = f"{words.of_things(report.layers, 'layer')}, {words.size(report.size_bytes)}"
        steps.end(
            f"exporting the image: {size}", cached=report.cached, took=report.seconds.get("publish", 0.0)
        )
        steps.note(f"writing image {report.digest}")
        for name in report.names:
            steps.note(f"naming to {name}")
        return report


class BuildSteps:
    """Shows what a build tells of itself: one numbered step a stage."""

    def __init__(self, steps: Steps, stages: int) -> None:
        self._steps, self._stages, self._began = steps, stages, False

    def stage(self, index: int, spec: Any, segments: int) -> None:
        """A stage begins."""
        if not self._began:
            self._steps.end("read gold and encode it")
            self._began = True
        level = words.level(spec.level)
        self._steps.begin(f"[{index + 1}/{self._stages}] {level} {spec.estimator}", segments)

    def advance(self, fitted: int, cached: int) -> None:
        """Members were fitted or came from the cache."""
        self._steps.advance(fitted + cached)

    def judged(self, result: Any) -> None:
        """A stage ended."""
        stage = {
            "stage": result.index,
            "level": result.spec.level,
            "estimator": result.spec.estimator,
            "trained": result.fits("fitted"),
            "cached": result.fits("cached"),
            "candidates": len(result.candidates),
            "failed": result.failed,
        }
        self._steps.end(_stage_text(stage, self._stages), cached=not stage["trained"] and stage["cached"] > 0)


def _stage_text(stage: dict[str, Any], stages: int) -> str:
    head = f"[{stage['stage'] + 1}/{stages}] {words.level(stage['level'])} {stage['estimator']}"
    if stage["estimator"] == "none":
        return f"{head}: fast part of {words.of_things(stage['candidates'], 'segment')}"
    failed = f", {words.count(stage['failed'])} failed" if stage["failed"] else ""
    return f"{head}: {words.count(stage['trained'])} fitted, {words.count(stage['cached'])} from the cache{failed}"


def show_build(report: BuildReport) -> None:
    """What became of every stage, and the image."""
    wide = stdout().width >= WIDE
    long = ("CANDIDATES", "ACCEPTED", "REJECTED", "UNKNOWN", "FAILED", "TOO FEW ROWS", "ANSWERED")
    heads = long if wide else ("CAND", "ACC", "REJ", "UNK", "FAIL", "FEW", "SHARE")
    counts = table("STAGE", "LEVEL", *heads, right=heads, wrap=["LEVEL"])
    for stage in report.stages:
        told = [
            words.count(stage[key])
            for key in ("candidates", "accepted", "rejected", "unknown", "failed", "few")
        ]
        counts.add_row(
            str(stage["stage"]), words.level(stage["level"]), *told, words.share(stage["answered_share"])
        )
    say()
    show(counts)
    say()
    show(_brought(report, wide))
    say(
        "BROUGHT is the change of the mean loss on later rows, with its 90% interval: negative is better.",
        style="dim",
    )
    for failure in report.failures:
        say(f"FAILED {failure['segment']}: {failure['error']}", style="red")
    for name in report.untrusted:
        say(
            f"The image holds objects of the type {name}: `jomon trust add {name}` lets it answer.",
            style="yellow",
        )
    corrupt = sum(stage["corrupt"] for stage in report.stages)
    if corrupt:
        say(
            f"{words.of_things(corrupt, 'damaged entry', 'damaged entries')} of the build cache fitted again.",
            "yellow",
        )
    say()
    m = report.members
    trained = ", ".join(f"{words.count(m[what])} {what}" for what in ("trained", "cached", "failed"))
    say(
        f"{words.count(m['serving'])} of {words.of_things(m['candidates'], 'candidate')} became members; {trained}."
    )
    say(f"{words.count(report.rows)} rows until {report.until}, the hold-out untouched.")
    name = ", ".join(report.names)
    say(
        f"{name}  sha256:{report.digest.short}  {words.size(report.size_bytes)}  "
        f"{words.seconds(report.seconds['total'])}"
    )


def _brought(report: BuildReport, wide: bool) -> Any:
    heads = (
        ("STAGE", "LEVEL", "BROUGHT", "VERDICT", "WHY") if wide else ("STAGE", "BROUGHT", "VERDICT", "WHY")
    )
    out = table(*heads, wrap=["LEVEL", "WHY"])
    digits = words.digits_for(
        [v for s in report.stages[1:] for v in (s["brought"]["value"], s["brought"]["high"])]
    )
    for stage in report.stages:
        level = [words.level(stage["level"])] if wide else []
        brought = words.interval(stage["brought"], digits)
        if stage["brought"]["value"] is None:
            brought = words.UNKNOWN
        out.add_row(str(stage["stage"]), *level, brought, stage["verdict"], stage["reason"])
    return out

"""`jomon signals`: the numbers that checks kept of a segment, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.options import Json, ProjectDir, home_here, project_if_here
from jomon.cli.spans import span
from jomon.core.findings import Signal
from jomon.core.segments import ROOT_TEXT

_COLOURS = {"finding": "bold red", "unknown": "yellow"}


def signals(
    member: Annotated[
        str,
        typer.Option(
            "--member",
            "-m",
            metavar="SEGMENT",
            help="A segment such as 'carrier=UA origin=EWR'; by default the fleet.",
        ),
    ] = ROOT_TEXT,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only windows that end after this date or time.", show_default=False
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Only one kind: drift, nulls, realised...", show_default=False),
    ] = None,
    fleet: Annotated[
        str | None, typer.Option("--fleet", metavar="NAME", help="The fleet; by default the project's.")
    ] = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Show the signals that checks kept of a segment: value, interval, rows, reference and source.

    A signal that ran on nothing is unknown, and says why.
    """
    from jomon.project.outcomes import fleet_and_spec
    from jomon.project.signals import signals as read

    opened = project_if_here(project)
    home = home_here(project) if opened is None else opened.home
    name, spec = fleet_and_spec(home, fleet, opened)
    found = read(home, name, spec, member, since, kind)
    if as_json:
        print_json([document(one) for one in found])
    else:
        tell_signals(found, member, spec.data.zone)
    return 0


def document(signal: Signal) -> dict[str, Any]:
    """The JSON of a signal; `start` and `end` of its window are microseconds since 1970-01-01 UTC."""
    fields = {name: value for name, value in vars(signal).items() if name not in ("window", "segment")}
    return {"start": signal.window.start, "end": signal.window.end, "segment": signal.segment.text, **fields}


def tell_signals(found: Sequence[Signal], member: str, zone: str) -> None:
    """Print signals window by window, with days of a zone."""
    if not found:
        say(f"No check kept a signal of {member}.")
        return
    say(f"{found[0].segment.text}, windows of {zone}", style="bold")
    out = table(
        "WINDOW",
        "KIND",
        "COLUMN",
        "VALUE",
        "ROWS",
        "STATUS",
        "COMPARED WITH",
        right=["ROWS"],
        wrap=["COMPARED WITH"],
    )
    last = None
    for one in found:
        at = "" if one.window == last else span(one.window.start, one.window.end, zone)
        last = one.window
        out.add_row(
            at, one.kind, one.column, value(one), words.count(one.rows), one.status,
            one.reason if one.status == "unknown" else "; ".join(part for part in (one.reference, one.source) if part),
            style=_COLOURS.get(one.status),
        )  # fmt: skip
    show(out)


def value(one: Signal) -> str:
    """The value with its interval and unit, or that it is unknown."""
    if one.value is None:
        return words.UNKNOWN
    if one.low is None or one.high is None:
        return f"{one.value:.4g} {one.unit}".strip()
    digits = 4 if max(abs(one.value), abs(one.low), abs(one.high)) < 10 else 1
    text = f"{one.value:.{digits}f} [{one.low:.{digits}f}, {one.high:.{digits}f}]"
    return f"{text} {one.unit}".strip()

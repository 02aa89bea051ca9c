"""`jomon incidents`: what is wrong with a fleet, since when, where and why; who looks after it, and when it is over."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.incident_page import show_page
from jomon.cli.options import Json, ProjectDir, home_here, project_if_here
from jomon.cli.spans import span
from jomon.core.incidents import Incident, IncidentState

if TYPE_CHECKING:
    from jomon.core.spec import ProjectSpec
    from jomon.project.home import Home

STATES: tuple[IncidentState, ...] = ("open", "acknowledged", "closed")
incidents = typer.Typer(name="incidents", help="Incidents: list them, look at one, take it on, close it.",
                        no_args_is_help=True)  # fmt: skip
Name = Annotated[str, typer.Argument(metavar="NAME", help="An incident, as `jomon incidents list` has it.")]
Who = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="Who does it; by default the login name.", show_default=False),
]


def _state(text: str) -> str:
    if text not in STATES:
        raise typer.BadParameter(f"{text!r} is no state of an incident: choose from {', '.join(STATES)}")
    return text


@incidents.command("list")
def list_all(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="STATE", parser=_state, help=f"Only these: {', '.join(STATES)}."),
    ] = None,
    fleet: Annotated[
        str | None, typer.Option("--fleet", metavar="NAME", help="Only those of one fleet.")
    ] = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """List incidents that are not closed, those last seen first."""
    from jomon.project.incidents import UNCLOSED, document, list_incidents

    if everything and state is not None:
        raise typer.BadParameter("--all and --state exclude each other: give one of them")
    home, spec = _here(project)
    chosen = tuple(one for one in STATES if one == state) or (None if everything else UNCLOSED)
    found = list_incidents(home, fleet, chosen)
    if as_json:
        print_json([document(incident) for incident in found])
        return 0
    if not found:
        say("No incidents." if everything else f"No {state or 'open'} incidents.")
        return 0
    _list(found, _zone(spec))
    return 0


@incidents.command("show")
def show_one(name: Name, project: ProjectDir = None, as_json: Json = False) -> int:
    """Show an incident: where and since when, its cause with the evidence, what was seen, and what became of it."""
    from jomon.project.incidents import document, show_incident

    home, spec = _here(project)
    incident, seen = show_incident(home, name)
    if as_json:
        print_json(document(incident, seen))
    else:
        show_page(incident, seen, _zone(spec))
    return 0


@incidents.command("ack")
def acknowledge(
    name: Name,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What you are about to do.")] = "",
    who: Who = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Take an incident on: it is yours, and others see it."""
    from jomon.project.incidents import acknowledge as take
    from jomon.project.incidents import document

    home, _ = _here(project)
    incident = take(home, name, _who(who), note)
    if as_json:
        print_json(document(incident))
    else:
        say(f"Acknowledged: {incident.name}, by {incident.owner}.")
    return 0


@incidents.command("close")
def close(
    name: Name,
    note: Annotated[
        str, typer.Option("--note", metavar="TEXT", help="What it was and what was done.", show_default=False)
    ],
    who: Who = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Close an incident for a reason: it opens again if a later window shows the same."""
    from jomon.project.incidents import close as end
    from jomon.project.incidents import document

    home, spec = _here(project)
    incident, report = end(home, name, _who(who), note, spec)
    if as_json:
        print_json({**document(incident), "webhook": None if report is None else report.document()})
        return 0
    say(f"Closed: {incident.name}.")
    if report is not None and report.problem:
        say(report.problem)
    return 0


def _here(project: Path | None) -> tuple[Home, ProjectSpec | None]:
    opened = project_if_here(project)
    return (home_here(project), None) if opened is None else (opened.home, opened.spec)


def _zone(spec: ProjectSpec | None) -> str:
    return "UTC" if spec is None else spec.data.zone


def _who(given: str | None) -> str:
    """Who acts: as given, else the login name."""
    if given is not None:
        if not given.strip() or not given.isprintable():
            raise typer.BadParameter("--as needs a name in visible characters")
        return given.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise typer.BadParameter("this machine does not know your name: give it with --as") from None


def _list(found: Sequence[Incident], zone: str) -> None:
    out = table(
        "NAME", "STATE", "SEVERITY", "SEEN", "WINDOWS", "ROWS", "WHERE", "CAUSE",
        right=["WINDOWS", "ROWS"], wrap=["SEEN", "WHERE", "CAUSE"],
    )  # fmt: skip
    for one in found:
        out.add_row(
            one.name,
            one.state,
            one.severity,
            span(one.since, one.until, zone),
            words.count(one.windows),
            words.count(one.rows),
            ", ".join(part.text for part in one.last.parts),
            one.last.cause.sentence,
        )
    show(out)

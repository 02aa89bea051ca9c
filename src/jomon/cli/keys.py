"""`jomon keys`: who may use the servers of a store, and for what."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from jomon.cli.console import print_json, raw, say, show, table
from jomon.cli.options import Json, ProjectDir, home_here
from jomon.core.durations import parse_duration
from jomon.core.keys import Key
from jomon.core.roles import Role, parse_role

keys = typer.Typer(name="keys", help="Keys: who may use the servers of a store, and for what.",
                   no_args_is_help=True)  # fmt: skip


def _span(text: str) -> timedelta:
    try:
        span = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not span:
        raise typer.BadParameter("a key has to live longer than nothing")
    return span


@keys.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whom or what the key is for.")],
    role: Annotated[
        list[str],
        typer.Option("--role", metavar="ROLE", help=f"What it allows, repeatable: {', '.join(Role)}."),
    ],
    fleet: Annotated[
        list[str] | None,
        typer.Option(
            "--fleet", metavar="FLEET", help="A fleet it is limited to, repeatable; by default it is for all."
        ),
    ] = None,
    expires: Annotated[
        timedelta | None,
        typer.Option(
            "--expires",
            metavar="SPAN",
            parser=_span,
            help="How long it lives, such as 90d; by default for ever.",
        ),
    ] = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Make a key and print it, this once: only its SHA-256 is kept."""
    roles = [parse_role(one) for one in role]
    now = datetime.now(UTC).replace(microsecond=0)
    key, text = home_here(project).keys.add(
        name, roles, now, fleet or None, now + expires if expires else None
    )
    if as_json:
        print_json({**key.public(), "key": text})
        return 0
    raw(text)
    until = f" until {_day(key.expires)}" if key.expires else ""
    whose = f"{', '.join(key.roles)} of {_fleets(key)}{until}"
    print(
        f"Key {key.id} of {key.name!r}: {whose}. Keep it now: it is not shown again.",
        file=sys.stderr,
    )
    return 0


@keys.command("ls")
def list_keys(project: ProjectDir = None, as_json: Json = False) -> int:
    """List the keys: for whom, for what, and until when."""
    entries = home_here(project).keys.entries()
    now = datetime.now(UTC)
    if as_json:
        print_json([{**key.public(), "expired": key.expired(now)} for key in entries])
        return 0
    out = table("ID", "NAME", "ROLES", "FLEETS", "CREATED", "EXPIRES", wrap=["NAME", "FLEETS"])
    for key in entries:
        until = "never" if key.expires is None else _day(key.expires)
        ended = " (expired)" if key.expired(now) else ""
        out.add_row(
            key.id, key.name, ", ".join(key.roles), _fleets(key), _day(key.created), f"{until}{ended}"
        )
    show(out)
    return 0


@keys.command("rm")
def remove(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, as `jomon keys ls` has them.")],
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Revoke keys: a running server refuses them within a second."""
    home = home_here(project)
    gone = [home.keys.remove(one) for one in ids]
    if as_json:
        print_json([key.public() for key in gone])
        return 0
    for key in gone:
        say(f"Revoked: {key.id} {key.name}")
    return 0


def _fleets(key: Key) -> str:
    return "all fleets" if key.fleets is None else ", ".join(key.fleets)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

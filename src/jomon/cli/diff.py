"""`jomon diff`: what differs between two images."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.options import Json, ProjectDir, home_here

SHOWN = 20  # members of each kind that are listed; --json has all


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="An image.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The image it is compared with.")],
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Say which members came, went or changed from A to B, and what of their lineage did."""
    from jomon.project.diffing import diff as compare

    found = compare(home_here(project), before, after)
    if as_json:
        print_json(found)
    elif found["same"]:
        say(f"{before} and {after} are the same image {found['a']['digest'][:19]}.")
    else:
        _show(found)
    return 0


def _show(found: dict[str, Any]) -> None:
    for side in ("a", "b"):
        one = found[side]
        say(
            f"{side.upper()}  {one['name']}  {one['digest'][:19]}  {words.of_things(one['members'] or 0, 'member')}"
        )
    came, went, changed = found["came"], found["went"], found["changed"]
    say()
    counts = (words.of_things(len(came), "member"), words.count(len(went)), words.count(len(changed)))
    say(
        "{} came, {} went, {} changed in the slow part; ".format(*counts)
        + f"{words.count(found['unchanged'])} did not."
    )
    causes = {cause: n for cause, n in found["by_cause"].items() if n}
    if causes:
        say("Changed in: " + ", ".join(f"{cause} ({words.count(n)})" for cause, n in causes.items()) + ".")
    lines = [("+", m, "") for m in came] + [("-", m, "") for m in went]
    lines += [("~", m, ", ".join(m["causes"])) for m in changed]
    if lines:
        out = table("", "LEVEL", "SEGMENT", "WHAT CHANGED", wrap=["SEGMENT", "WHAT CHANGED"])
        for mark, member, what in lines[:SHOWN]:
            out.add_row(mark, words.level(member["level"]), member["segment"], what)
        say()
        show(out)
        if len(lines) > SHOWN:
            say(f"and {words.of_things(len(lines) - SHOWN, 'more member')}: --json lists all.", style="dim")
    fast = table("FAST PART", "IN BOTH", "MOVED", "CAME", "WENT", "LARGEST MOVE",
                 right=["IN BOTH", "MOVED", "CAME", "WENT", "LARGEST MOVE"])  # fmt: skip
    for one in found["fast"]:
        told = [words.count(one[key]) for key in ("both", "moved", "came", "went")]
        fast.add_row(words.level(one["level"]), *told, words.number(one["largest"]))
    if found["fast"]:
        say()
        show(fast)
    say()
    say(f"B brings {words.size(found['new_bytes'])} and shares {words.size(found['shared_bytes'])} with A.")

"""`jomon inspect`: what an image says of itself, or of one member."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.options import Json, ProjectDir, Ref, home_here


def inspect(
    reference: Ref,
    member: Annotated[
        str | None,
        typer.Option("--member", metavar="SEGMENT", help="One member, such as 'carrier=UA origin=EWR'."),
    ] = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Show an image: its stages with their verdicts; or the lineage, evidence and size of one member."""
    from jomon.project import inspecting

    home = home_here(project)
    if member is not None:
        found = inspecting.inspect_member(home, reference, member)
        print_json(found) if as_json else _show_member(found)
        return 0
    document = inspecting.inspect_image(home, reference)
    print_json(document) if as_json else _show_image(document)
    return 0


def _facts(pairs: dict[str, str]) -> None:
    out = table("", "", wrap=[""])
    out.show_header = False
    out.columns[0].no_wrap = True
    for name, value in pairs.items():
        out.add_row(name, value)
    show(out)


def _show_image(image: dict[str, Any]) -> None:
    _facts(
        {
            "image": image["digest"],
            "names": ", ".join(image["names"]) or "none",
            "created": image["created"] or words.UNKNOWN,
            "fleet": f"{image['fleet']} ({image['kind']}, {image['relation']})",
            "question": image["question"],
            "trained": f"on {words.of_things(image['rows'], 'row')} until {image['trained_until']}",
            "fast parts": f"until {image['fast_until']}" if image["fast_until"] else "none",
            "gold": image["gold"],
            "features": ", ".join(image["features"]),
            "size": f"{words.size(image['size_bytes'])} in {words.of_things(image['layers'], 'layer')}",
            "members": words.count(image["members"]),
            "attached": words.of_things(len(image["attachments"]), "document"),
        }
    )
    say()
    heads = ("ACC", "REJ", "UNK", "FAIL", "FEW", "ANSWERED")
    out = table("STAGE", "LEVEL", "ESTIMATOR", *heads, "VERDICT", right=heads, wrap=["LEVEL"])
    for stage in image["stages"]:
        counts = [words.count(stage[key]) for key in ("accepted", "rejected", "unknown", "failed", "few")]
        shared = words.share(stage["answered_share"])
        verdict = stage["evidence"]["verdict"]
        out.add_row(
            str(stage["stage"]), words.level(stage["level"]), stage["estimator"], *counts, shared, verdict
        )
    show(out)


def _show_member(member: dict[str, Any]) -> None:
    evidence, lineage, recipe = member["difference"], member.get("lineage") or {}, member["recipe"] or {}
    slow, fast = member["slow"], member["fast"]
    serving = "answers" if member["serving"] else "does not answer"
    _facts(
        {
            "member": f"{member['segment']} (stage {member['stage']}, {member['estimator']})",
            "verdict": f"{member['verdict']}; it {serving}",
            "evidence": f"{words.interval(evidence)} on {words.of_things(evidence['rows'], 'row')} (change of the loss)"
            + (f": {evidence['reason']}" if evidence["value"] is None and evidence.get("reason") else ""),
            "stage": f"{member['stage_evidence']['verdict']}: {member['stage_evidence']['reason']}",
            "rows": words.count(member["rows"]),
            "slow part": _slow(slow),
            "fast part": _fast(fast),
            "error": member.get("error", "none"),
        }
    )
    say()
    _facts(
        {
            "key": member.get("key") or "none: a fast part alone",
            "data": lineage.get("rows") or "none",
            "parent": lineage.get("margins") or "none: it starts from nothing",
            "code": recipe.get("code") or "none",
            "params": words.pairs(recipe.get("params", {})) or "none",
            "environment": words.pairs(recipe.get("environment", {})) or "none",
            "seed": str(recipe.get("seed", "none")),
        }
    )


def _slow(slow: dict[str, Any] | None) -> str:
    if slow is None:
        return "none"
    return f"{slow['kind']} x {slow['shrink']:g}, {words.size(slow['size_bytes'])} of layer {slow['layer'][7:19]}"


def _fast(fast: dict[str, Any] | None) -> str:
    if fast is None:
        return "none"
    line = f"offset {fast['offset']:+.4f}, slope {fast['slope']:+.4f} around {fast['center']:g}"
    return f"{line}, until {fast['until']}"

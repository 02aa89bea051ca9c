"""`jomon doctor`: what this machine has for jomon."""

from __future__ import annotations

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.options import Json, ProjectDir, home_here
from jomon.core.errors import StoreError


def doctor(project: ProjectDir = None, as_json: Json = False) -> int:
    """Look at versions, optional parts, caches, disk and store, and say what to do.

    Exit status 1 means that something is wrong; optional parts may be absent.
    """
    from jomon.project.doctor import diagnose

    try:
        home = home_here(project)
    except StoreError:
        if project is not None:
            raise
        home = None
    diagnosis = diagnose(home)
    if as_json:
        print_json(diagnosis.document())
        return 0 if diagnosis.well else 1
    out = table("", "PART", "FOUND", "WHAT TO DO", wrap=["FOUND", "WHAT TO DO"])
    marks = {"ok": ("ok", "green"), "absent": ("-", "dim"), "wrong": ("WRONG", "red")}
    for finding in diagnosis.findings:
        mark, style = marks[finding.state]
        out.add_row(
            mark, finding.name, finding.found, finding.advice, style=None if style == "green" else style
        )
    show(out)
    wrong = sum(finding.state == "wrong" for finding in diagnosis.findings)
    absent = sum(finding.state == "absent" for finding in diagnosis.findings)
    say()
    say(f"{words.of_things(wrong, 'thing')} wrong, {words.count(absent)} optional parts absent.")
    return 0 if diagnosis.well else 1

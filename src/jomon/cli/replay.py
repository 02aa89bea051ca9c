"""`jomon replay`: recorded rows played as live traffic."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.door import StoppedError, told
from jomon.cli.options import Json, ProjectDir, Ref, home_here
from jomon.cli.steps import Steps
from jomon.core.errors import JomonError

if TYPE_CHECKING:
    from rich.table import Table

    from jomon.project.home import Home
    from jomon.project.replay_sheet import Loss, Replayed
    from jomon.project.replaying import Replay, Wish

SHOW_SECONDS = 0.1
_SHORT = len("2013-10-15T12:00")


def replay(
    reference: Ref,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="T",
            help="Rows from this time on (2013-10-15 12:00); by default the image's held-out time.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="T", help="Rows before this time; by default to the last.", show_default=False
        ),
    ] = None,
    speed: Annotated[
        str,
        typer.Option(metavar="N|max", help="N times as fast as it happened, or max: as fast as it goes."),
    ] = "max",
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The server to ask (http://host:8080); by default this process answers."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            envvar="JOMON_KEY",
            help="An API key for the server, with the roles caller and reporter; or in JOMON_KEY.",
        ),
    ] = None,
    connections: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Requests on their way to the server at once.")
    ] = 8,
    no_outcomes: Annotated[bool, typer.Option("--no-outcomes", help="Ask only; report no outcomes.")] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAULT",
            help="Break the rows first, to see what monitoring says: 'scale distance 1.609344 in carrier=UA', "
            "'null COLUMN in ...', 'set COLUMN VALUE in ...', 'flip in ...' (the opposite outcome); may be repeated.",
            show_default=False,
        ),
    ] = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Play recorded rows as live traffic in event time, and report their outcomes when they became known.

    Rows go out in order of their time, without what lookups bring; the outcome of each follows
    `data.target.known_after` later, when the prediction was acknowledged. Without --url this process answers, as a
    server does and beside one if it runs, and brings the records into the tables. Times without a zone are in the
    project's. The caller ids of its requests are `replay:NAME:ROW`; `received_at` is the time of now.

    The exit status is 1 if there were no rows, or not all were answered and all their outcomes taken.
    """
    if importlib.util.find_spec("msgspec") is None:
        raise JomonError("Replaying needs the package msgspec: pip install 'jomon[serve]'.")
    from jomon.project.replay_plan import parse_speed
    from jomon.project.replaying import Wish

    wish = Wish(
        reference,
        since,
        until,
        parse_speed(speed),
        url,
        key,
        connections,
        outcomes=not no_outcomes,
        faults=tuple(fault or ()),
    )
    report = run_replay(home_here(project), wish, shown=not as_json)
    if as_json:
        print_json(report.document())
    else:
        show_replay(report)
    return 0 if report.whole else 1


def run_replay(home: Home, wish: Wish, *, shown: bool, among: Steps | None = None) -> Replayed:
    """Play with progress in event time (`among` other steps if there are some); Ctrl-C ends it, and what was sent
    stays."""
    from jomon.project.replaying import Replay

    with Steps(shown) if among is None else nullcontext(among) as steps:
        steps.begin("reading the recorded rows")
        played = Replay(home, wish)
        steps.end(f"read {words.of_things(len(played.recorded), 'recorded row')}")
        try:
            _play(played, steps)
        except KeyboardInterrupt:
            raise StoppedError(_kept(played)) from None
    return played.report()


def _play(played: Replay, steps: Steps) -> None:
    recorded = played.recorded
    if not len(recorded):
        return
    first = int(recorded.times[0])
    where = "in this process" if played.wish.url is None else f"to {played.wish.url}"
    steps.begin(f"replaying {where}", max((played.last_us - first) // 1_000_000, 1))
    played.play(_teller(played, steps, first))
    steps.end(f"replayed {where}")
    if played.wish.url is None:
        with steps.step("brought what was recorded into the tables"):
            played.finish()
    else:
        with steps.step("found the levels that answered"):
            played.finish()


def _teller(played: Replay, steps: Steps, first: int) -> Callable[[int], None]:
    """Shows the event time, a few times a second."""
    shown = 0.0

    def tell(moment_us: int) -> None:
        nonlocal shown
        now = time.perf_counter()
        if now - shown >= SHOW_SECONDS:
            shown = now
            steps.reach((moment_us - first) / 1_000_000, _moment(played.local(moment_us)))

    return tell


def _kept(played: Replay) -> str:
    report = played.report()
    at = "" if report.last_event is None else f" at {_moment(report.last_event)}"
    rest = " in the log, `jomon mover --once` brings them into the tables" if report.url is None else ""
    return (
        f"stopped{at}; {words.of_things(report.answered, 'answer')} and "
        f"{words.of_things(report.outcomes, 'outcome')} stay{rest}"
    )


def show_replay(report: Replayed) -> None:
    """What a replay did, zero as zero."""
    if not report.rows:
        told(f"no row was recorded from {_moment(report.since)} to {_moment(report.until)}")
    out = table(f"REPLAY OF {report.reference}", "COUNT", right=["COUNT"])
    out.add_row("rows sent", words.count(report.rows - report.unsent))
    out.add_row("  answered", words.count(report.answered))
    _add(out, "  refused", report.refused)
    _add(out, "  failed", report.failed)
    out.add_row("  sent again", words.count(report.retried))
    out.add_row("rows not sent", words.count(report.unsent))
    out.add_row("outcomes sent", words.count(report.outcomes + sum(report.outcomes_failed.values())))
    out.add_row("  taken", words.count(report.outcomes))
    _add(out, "  not taken", report.outcomes_failed)
    out.add_row("outcomes not sent", words.count(report.outcomes_unsent))
    out.add_row("answers whose outcome nobody knows", words.count(report.without_outcome))
    for name, count in report.missed.items():
        out.add_row(f"answers without {name}", words.count(count))
    show(out)
    say()
    levels = table("LEVEL", "ANSWERED", "SHARE", right=["ANSWERED", "SHARE"])
    for name, count in report.levels.items():
        share = words.share(count / report.answered if report.answered else 0.0)
        levels.add_row(words.level([] if name == "(all)" else name.split(",")), words.count(count), share)
    if report.unknown_level:
        levels.add_row(words.UNKNOWN, words.count(report.unknown_level), "")
    show(levels)
    say()
    _say_when(report)
    say(_loss(report.loss))
    if report.problem:
        told(f"{report.problem}; the rest was not sent")


def _add(out: Table, name: str, reasons: Mapping[str, int]) -> None:
    out.add_row(name, words.count(sum(reasons.values())))
    for reason, count in reasons.items():
        out.add_row(f"    {reason}", words.count(count))


def _say_when(report: Replayed) -> None:
    first, last = report.first_event, report.last_event
    span = "none" if first is None or last is None else f"{_moment(first)} to {_moment(last)}"
    rate = f"{words.count(round(report.rows_per_second))} rows/s"
    say(f"Event time: {span}, in {words.seconds(report.seconds)} ({rate}).")
    times = ", ".join(
        f"{name} {words.UNKNOWN if value is None else f'{value:.1f} ms'}"
        for name, value in report.latency_ms.items()
    )
    say(f"Latency{'' if report.url else ' of batches'}: {times}.")
    for digest, rows in report.images.items():
        say(f"{digest[:19]} answered {words.of_things(rows, 'row')}.")
    if report.url is None and report.rows:
        moved = report.moved
        say("The mover that is at work brings them into the tables." if moved is None else
            f"Moved {words.of_things(moved['predictions'], 'prediction')} and "
            f"{words.of_things(sum(moved['outcomes'].values()), 'outcome')} into the tables.")  # fmt: skip
    done = report.refreshed
    if done is not None:
        learned = f"Refreshed with {words.of_things(done['outcomes'], 'outcome')}"
        say(f"Not refreshed: {done['problem']}" if done["problem"] else
            f"{learned}: {report.reference} is {done['digest'][:19]} now.")  # fmt: skip


def _loss(loss: Loss) -> str:
    name = words.metric(loss.metric).capitalize()
    on = f"on {words.of_things(loss.rows, 'outcome')}"
    if loss.value is None:
        return f"{name}: {words.UNKNOWN}, {on}."
    before = words.number(loss.before, 3)
    base = f"{words.number(loss.base)} for answering {before}, the mean until then, to all"
    return f"{name}: {words.number(loss.value)} {on}; {base}."


def _moment(text: str) -> str:
    """2013-10-15T12:00:00-04:00 as 2013-10-15 12:00."""
    return text[:_SHORT].replace("T", " ")

"""The part of the demo that serves: the fleet over HTTP, an afternoon of flights replayed against it, what was kept."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jomon
from jomon.cli import words
from jomon.cli.console import raw, say, show, table
from jomon.cli.replay import run_replay, show_replay
from jomon.cli.route import show_chain
from jomon.cli.steps import Steps
from jomon.core.errors import JomonError

if TYPE_CHECKING:
    from jomon.project.project import Project

AFTERNOON = ("2013-10-15 12:00", "2013-10-15 18:00")
"""Three weeks into the held-out time: nothing of it was learned."""
FLIGHT: Mapping[str, Any] = {
    "carrier": "UA",
    "flight": 1545,
    "origin": "EWR",
    "dest": "ORD",
    "distance": 719,
    "scheduled_departure": "2013-12-24T17:00",
}
"""A flight to ask about by hand; the weather is left to the server."""
CURL = """curl -s localhost:8080/predict -H 'content-type: application/json' \\
    -d '{"rows": [{"carrier": "UA", "flight": 1545, "origin": "EWR", "dest": "ORD", "distance": 719,
                   "scheduled_departure": "2013-12-24T17:00"}], "explain": true}'"""
NEEDED = ("granian", "msgspec", "prometheus_client")


def run_serve(project: Project, *, shown: bool) -> dict[str, Any]:
    """Serve the fleet, replay the afternoon, ask one flight, end the server, and count what it left in the tables."""
    from jomon.project.local_server import served_locally
    from jomon.project.outcomes import outcomes_status
    from jomon.project.replaying import Wish, count_recorded

    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        if shown:
            say(f"Left out: serving needs the package {missing[0]}, pip install 'jomon[serve]' brings it.")
        return {"left_out": f"{missing[0]} is not installed"}
    home, fleet = project.home, project.spec.fleet
    with Steps(shown) as steps:
        steps.begin(f"starting jomon serve {project.latest}")
        with served_locally(home, project.latest) as url:
            steps.end(f"started jomon serve {project.latest} at {url}")
            wish = Wish(project.latest, *AFTERNOON, url=url)
            replayed = run_replay(home, wish, shown=shown, among=steps)
            with jomon.Client(url) as client:
                asked = client.predict(FLIGHT, fleet, explain=True)
            steps.begin("ending the server: what it recorded goes into the tables")
        steps.end("ended the server: what it recorded is in the tables")
    kept = count_recorded(home, fleet, replayed.replay)
    if kept != replayed.answered:
        raise JomonError(
            f"The server answered {replayed.answered} rows of the replay and {kept} are in its log."
        )
    status = outcomes_status(home, fleet, project.spec)
    out = {
        "url": url,
        "replay": replayed.document(),
        "recorded": kept,
        "explained": {"row": dict(FLIGHT), "answer": asked.answers[0], **(asked.explanations or [{}])[0]},
        "tables": status,
    }
    if shown:
        hours = f"{AFTERNOON[0]} to {AFTERNOON[1][-5:]}"
        say(f"{hours}, of which nothing was learned; each outcome 12 hours later.", style="dim")
        show_replay(replayed)
        _show_flight(asked)
        _show_tables(kept, status)
    return out


def _show_flight(asked: Any) -> None:
    """The answer to the one flight with its chain, as the server told it."""
    from jomon.project.predicting import Explained, Step

    steps = tuple(Step(**{**one, "level": tuple(one["level"])}) for one in asked.explanations[0]["chain"])
    late = words.share(asked.answers[0])
    say()
    say(
        f"POST /predict: {FLIGHT['carrier']} {FLIGHT['flight']}, {FLIGHT['origin']} to {FLIGHT['dest']}, "
        f"{str(FLIGHT['scheduled_departure']).replace('T', ' ')}: {late} likely to be late",
        style="bold",
    )
    show_chain(Explained(0, FLIGHT, steps, asked.answers[0]), "binary")


def _show_tables(kept: int, status: Mapping[str, int]) -> None:
    say()
    say(f"Each of the {words.count(kept)} answers is in the table predictions/flights, once.")
    out = table("TABLE", "ROWS", "WHAT IS IN IT", right=["ROWS"], wrap=["WHAT IS IN IT"])
    out.add_row("predictions/flights", words.count(status["predictions"]),
                f"{words.count(status['with_outcome'])} with an outcome, "
                f"{words.count(status['without_outcome'])} without one yet")  # fmt: skip
    out.add_row("outcomes/flights", words.count(status["received"]),
                f"{words.count(status['new'])} new, {words.count(status['repeated'])} repeated, "
                f"{words.count(status['conflicting'])} conflicting, {words.count(status['late'])} late, "
                f"{words.count(status['unmatched'])} waiting for their prediction")  # fmt: skip
    show(out)


def show_try(program: str, where: str) -> None:
    """How to do it oneself."""
    raw(f"  {program} serve {where}    # then http://localhost:8080/docs, or")
    for line in CURL.splitlines():
        raw(f"  {line}")

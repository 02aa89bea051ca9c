"""News of an incident as a message that Slack, and what understands its form, shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

LONGEST_HEADER, LONGEST_FIELD, LONGEST_TEXT = 150, 1900, 2900  # characters; Slack refuses 150, 2000 and 3000
_ACTS = {"opened": "opened", "grew": "grew", "reopened": "was seen again", "closed": "was closed"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def slack_message(document: Mapping[str, Any]) -> dict[str, Any]:
    """`text` for where only a line is shown, and `blocks`: what happened, why, where, since when, and who says so.

    `document` is a notification as the ledger has it: `id`, `event` and `incident`.
    """
    incident, event = document["incident"], document["event"]
    title = f"{incident['name']} {_ACTS.get(event['act'], event['act'])}, severity {incident['severity']}"
    sentence = str(incident["cause"]["sentence"])
    fields = {
        "Where": ", ".join(incident["segments"]),
        "Columns": ", ".join(incident["columns"]) or "none",
        "Since": _moment(incident["since"]),
        "Windows": f"{incident['windows']:,}",
        "Rows": f"{incident['rows']:,} of {incident['members']:,} members",
        "Cost": _cost(incident),
    }
    told = f"{event['who']}, {_moment(event['at'])}"
    note = str(event["note"])
    context = f"{told}: {note}" if note and note != sentence else told
    return {
        "text": _escaped(f"{title}: {sentence}", LONGEST_TEXT),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": _cut(title, LONGEST_HEADER)}},
            {"type": "section", "text": _markdown(_escaped(sentence, LONGEST_TEXT) or "-")},
            {
                "type": "section",
                "fields": [
                    _markdown(f"*{name}*\n{_escaped(value, LONGEST_FIELD)}") for name, value in fields.items()
                ],
            },
            {"type": "context", "elements": [_markdown(_escaped(context, LONGEST_TEXT))]},
        ],
    }


def _markdown(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def _escaped(text: str, longest: int) -> str:
    """Text of others as it is: Slack gives `&`, `<` and `>` a meaning."""
    out = ""
    for char in text:
        more = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(char, char)
        if len(out) + len(more) >= longest:
            return f"{out}…"
        out += more
    return out


def _cut(text: str, longest: int) -> str:
    return text if len(text) < longest else f"{text[: longest - 2]}…"


def _moment(at: int) -> str:
    return f"{_EPOCH + timedelta(microseconds=at):%Y-%m-%d %H:%M} UTC"


def _cost(incident: Mapping[str, Any]) -> str:
    """The loss of the last window with its interval, or why it is unknown."""
    loss, low, high = incident["loss"], incident["loss_low"], incident["loss_high"]
    if loss is None:
        reason = incident["loss_reason"]
        return f"unknown ({reason})" if reason else "unknown"
    if low is None or high is None:
        return f"{float(loss):.4g} in the last window"
    return f"{float(loss):.4g} [{float(low):.4g}, {float(high):.4g}] in the last window"

"""News of incidents to a webhook: each taken from the ledger's outbox, sent, and marked as sent.

A notification that the other side acknowledged (a status from 200 to 299) is never sent again, whoever else sends at
the same time. One whose answer did not arrive is sent again with the same `Idempotency-Key`, by which the other side
may drop it: a process that dies between sending and marking, or an answer lost on the way, cannot be told from news
that never came. The address is a secret: no error, log or ledger has it.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from jomon.core.spec_monitor import WebhookSpec
from jomon.project.slack_message import slack_message

if TYPE_CHECKING:
    from jomon.store.sql.ledger import Ledger
    from jomon.store.sql.outbox import Notification

TIMEOUT = 10.0
"""Seconds for the connection, and for each part of the answer."""
MOST_AT_ONCE = 100
"""Notifications of one run; the others wait for the next."""
_REFUSED_ONE = range(400, 500)  # the other side dislikes this one; others may please it
_BUSY = (408, 425, 429)


@dataclass(frozen=True)
class DeliveryReport:
    """What became of the outbox of a fleet: `sent` and `failed` in this run, `skipped` because nobody is to be told,
    `waiting` for a later run, `given_up` after too many attempts (all so far). `problem` is one sentence, or empty."""

    sent: int
    failed: int
    skipped: int
    waiting: int
    given_up: int
    problem: str = ""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return dict(vars(self))


class _NotSentError(Exception):
    """Why a notification did not arrive, in words without the address; `alone` if others may arrive all the same."""

    def __init__(self, reason: str, *, alone: bool = False) -> None:
        super().__init__(reason)
        self.alone = alone


class _NoRedirects(HTTPRedirectHandler):
    """Redirects are refused: they would turn a POST into a GET, and tell another host what this one may know."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """Follow nothing."""


def deliver(
    ledger: Ledger,
    fleet: str,
    webhook: WebhookSpec | None,
    *,
    environment: Mapping[str, str] | None = None,
    clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    timeout: float = TIMEOUT,
) -> DeliveryReport:
    """Send what is due of a fleet's news; what does not arrive waits for a later run, longer each time.

    Without a webhook all that waits is let go. `environment` is that of this process by default; `clock` gives
    microseconds since 1970-01-01 UTC. It raises nothing for what the other side does, `StoreError` for the ledger.
    """
    if webhook is None:
        return _report(ledger, fleet, skipped=ledger.skip_notifications(fleet))
    address = (os.environ if environment is None else environment).get(webhook.url_from, "")
    problem = _wrong_address(webhook.url_from, address)
    if problem:
        return _report(ledger, fleet, problem=problem)
    opener = build_opener(_NoRedirects())
    sent = failed = 0
    while sent + failed < MOST_AT_ONCE:
        taken = ledger.claim(fleet, clock())
        if taken is None:
            break
        try:
            _send(opener, address, webhook.format, taken, timeout)
        except _NotSentError as error:
            failed += 1
            again = ledger.mark_failed(taken, clock(), str(error))
            what = "it is tried again" if again else f"given up after {taken.attempts} attempts"
            problem = f"The webhook in {webhook.url_from} {error}: {what}."
            if not error.alone:
                break
        else:
            sent += 1
            ledger.mark_sent(taken, clock())
    return _report(ledger, fleet, sent=sent, failed=failed, problem=problem)


def _report(
    ledger: Ledger, fleet: str, *, sent: int = 0, failed: int = 0, skipped: int = 0, problem: str = ""
) -> DeliveryReport:
    counts = ledger.notifications(fleet)
    return DeliveryReport(sent, failed, skipped, counts.waiting + counts.sending, counts.failed, problem)


def _wrong_address(variable: str, address: str) -> str:
    """What is wrong with an address, in a sentence that does not tell it."""
    if not address:
        return f"The environment variable {variable} (monitor.webhook.url_from) is not set: news of incidents wait."
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not address.isascii() or not address.isprintable() or " " in address:
        return f"The environment variable {variable} holds no http or https address: news of incidents wait."
    if parts.username is not None:
        return f"The address in {variable} has a user or password before the host, which is not supported."
    return ""


def _send(opener: OpenerDirector, address: str, form: str, taken: Notification, timeout: float) -> None:
    """One attempt; raises `_NotSentError` unless the other side has it."""
    body = slack_message(taken.document) if form == "slack" else taken.document
    request = Request(
        address,
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"),
        {
            "Content-Type": "application/json",
            "User-Agent": "jomon",
            "Idempotency-Key": taken.id,
        },
        method="POST",
    )
    try:
        with opener.open(request, timeout=timeout):
            return
    except HTTPError as error:
        status = error.code
        error.close()
        alone = status in _REFUSED_ONE and status not in _BUSY
        raise _NotSentError(f"answered with status {status}", alone=alone) from None
    except (OSError, http.client.HTTPException) as error:
        raise _NotSentError(_told(error, timeout)) from None


def _told(error: Exception, timeout: float) -> str:
    """Why no answer came, in words of ours: those of the libraries may have the address."""
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    if isinstance(cause, TimeoutError):
        return f"did not answer within {timeout:g} seconds"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "has a certificate that cannot be verified"
    if isinstance(cause, ssl.SSLError):
        return "does not speak TLS as it should"
    if isinstance(cause, ConnectionRefusedError):
        return "refuses connections"
    if isinstance(cause, http.client.HTTPException):
        return "broke off or does not speak HTTP"
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return f"could not be reached ({os.strerror(cause.errno)})"
    return f"could not be reached ({type(cause).__name__})"

"""News of incidents arrive at a real web server: once if it says so, again if not, and nobody sees its address."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jomon.core.findings import Span
from jomon.core.incidents import Trouble
from jomon.core.spec_monitor import WebhookSpec
from jomon.project import notifying
from jomon.project.notifying import DeliveryReport, deliver
from jomon.project.slack_message import slack_message
from jomon.store.ledger import open_ledger
from jomon.store.sql.ledger import Ledger
from jomon.store.sql.outbox import LEASE, MOST_ATTEMPTS, pause_after

Make = Callable[..., Trouble]
DAY = 86_400_000_000
WEBHOOK = WebhookSpec(url_from="INCIDENTS_WEBHOOK")
SECRET = "T0KEN-of-the-webhook"


class Hook(ThreadingHTTPServer):
    """A web server that remembers what it got, and answers with `status` after `pause` seconds."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.got: list[tuple[dict[str, str], Any]] = []
        self.status: int | Callable[[int], int] = 200
        self.pause = 0.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/{SECRET}"

    @property
    def ids(self) -> list[str]:
        return [headers["idempotency-key"] for headers, _ in self.got]


class Answering(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert self.path.endswith(SECRET)
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        time.sleep(self.server.pause)
        status = self.server.status
        try:
            self.send_response(status if isinstance(status, int) else status(len(self.server.got)))
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            pass  # whoever asked is gone

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def ledger(ledger_place: Path | str) -> Iterator[Ledger]:
    with open_ledger(ledger_place) as opened:
        yield opened


@pytest.fixture
def told(ledger: Ledger, make_trouble: Make) -> Ledger:
    """A ledger with news of one incident that opened."""
    ledger.record("flights", Span(0, DAY), [make_trouble(0)], at=5)
    return ledger


def send(ledger: Ledger, address: str, now: int = 0, **options: Any) -> DeliveryReport:
    report = deliver(
        ledger, "flights", options.pop("webhook", WEBHOOK), environment={"INCIDENTS_WEBHOOK": address},
        clock=lambda: now, **options,
    )  # fmt: skip
    assert SECRET not in json.dumps(report.document())
    return report


def test_news_arrive_once_as_json_with_their_key(told: Ledger, hook: Hook) -> None:
    assert send(told, hook.address) == DeliveryReport(1, 0, 0, 0, 0)
    [(headers, body)] = hook.got
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == body["id"]
    assert body["event"] == {
        "at": 5, "act": "opened", "who": "jomon monitor", "note": "distance is 1.609 times what it was",
    }  # fmt: skip
    incident = body["incident"]
    assert (incident["name"], incident["state"], incident["segments"]) == (
        "flights-1",
        "open",
        ["carrier=UA"],
    )
    assert incident["cause"]["evidence"] == {"factor": 1.609}
    assert send(told, hook.address, 10**18) == DeliveryReport(0, 0, 0, 0, 0)
    assert len(hook.got) == 1


def test_opening_growth_to_a_higher_severity_closing_and_reopening_are_told_in_order(
    ledger: Ledger, hook: Hook, make_trouble: Make
) -> None:
    ledger.record("flights", Span(0, DAY), [make_trouble(0)], at=1)
    ledger.record("flights", Span(DAY, 2 * DAY), [make_trouble(1, "carrier=UA,carrier=AA")], at=2)
    ledger.record("flights", Span(2 * DAY, 3 * DAY), [make_trouble(2, severity="high")], at=3)
    ledger.acknowledge("flights-1", "anna", 4)
    ledger.close_incident("flights-1", "anna", 5, "mended")
    ledger.record("flights", Span(3 * DAY, 4 * DAY), [make_trouble(3)], at=6)
    assert send(ledger, hook.address).sent == 4
    assert [body["event"]["act"] for _, body in hook.got] == ["opened", "grew", "closed", "reopened"]
    assert [body["incident"]["state"] for _, body in hook.got] == ["open", "open", "closed", "open"]
    assert len(set(hook.ids)) == 4


def test_what_a_server_refuses_too_often_is_given_up(told: Ledger, hook: Hook) -> None:
    hook.status, now = 500, 0
    for attempt in range(1, MOST_ATTEMPTS + 1):
        report = send(told, hook.address, now)
        now += pause_after(attempt)
    assert report.problem == (
        "The webhook in INCIDENTS_WEBHOOK answered with status 500: given up after 20 attempts."
    )
    assert (report.waiting, report.given_up) == (0, 1)
    assert send(told, hook.address, 10**18) == DeliveryReport(0, 0, 0, 0, 1)
    assert len(hook.got) == MOST_ATTEMPTS


def test_what_a_server_refuses_is_sent_again_by_a_later_run(told: Ledger, hook: Hook) -> None:
    hook.status = lambda got: 500 if got < 3 else 204
    report = send(told, hook.address)
    assert (report.sent, report.failed, report.waiting) == (0, 1, 1)
    assert report.problem == "The webhook in INCIDENTS_WEBHOOK answered with status 500: it is tried again."
    assert send(told, hook.address, pause_after(1) - 1).failed == 0
    assert send(told, hook.address, pause_after(1)).failed == 1
    assert send(told, hook.address, pause_after(1) + pause_after(2)).sent == 1
    assert send(told, hook.address, 10**18) == DeliveryReport(0, 0, 0, 0, 0)
    assert len(hook.got) == 3
    assert len(set(hook.ids)) == 1


@pytest.mark.parametrize(
    ("status", "sent"), [(400, 2), (404, 2), (429, 0), (500, 0), (503, 0), (302, 0), (307, 0)]
)
def test_one_that_is_disliked_holds_up_no_other_but_a_server_in_trouble_does(
    told: Ledger, hook: Hook, make_trouble: Make, status: int, sent: int
) -> None:
    others = [make_trouble(1, columns="temp"), make_trouble(1, columns="visib")]
    told.record("flights", Span(DAY, 2 * DAY), others, at=6)
    hook.status = lambda got: status if got == 1 else 200
    report = send(told, hook.address)
    assert (report.sent, report.failed, report.waiting) == (sent, 1, 3 - sent)
    assert f"answered with status {status}: it is tried again" in report.problem
    assert len(hook.got) == 1 + sent


def test_one_that_does_not_answer_is_not_waited_for(told: Ledger, hook: Hook) -> None:
    hook.pause = 1.0
    started = time.monotonic()
    report = send(told, hook.address, timeout=0.2)
    assert time.monotonic() - started < 0.9
    assert (
        report.problem
        == "The webhook in INCIDENTS_WEBHOOK did not answer within 0.2 seconds: it is tried again."
    )
    hook.pause = 0.0
    assert send(told, hook.address, pause_after(1)).sent == 1
    assert len(set(hook.ids)) == 1  # the other side may know it by


def test_a_closed_port_and_an_unknown_host_are_told(told: Ledger) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        port = taken.getsockname()[1]
        assert "refuses connections" in send(told, f"http://127.0.0.1:{port}/{SECRET}").problem
    problem = send(told, f"http://no-such-host.invalid/{SECRET}", 10**15).problem
    assert problem.startswith("The webhook in INCIDENTS_WEBHOOK could not be reached (")
    assert "no-such-host" not in problem


def test_a_server_that_speaks_no_http_or_no_tls_is_told(told: Ledger, hook: Hook) -> None:
    def babble(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"hello\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=babble, args=(listening,))
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/{SECRET}"
        assert "broke off or does not speak HTTP" in send(told, address).problem
        thread.join()
    assert "does not speak TLS" in send(told, hook.address.replace("http:", "https:"), 10**15).problem


@pytest.mark.parametrize(
    "address",
    [f"ftp://host/{SECRET}", f"file:///etc/{SECRET}", SECRET, f"http://host/{SECRET} and more", f"http:///{SECRET}",
     f"http://[{SECRET}", f"http://ho\nst/{SECRET}", f"http://host:99999999/{SECRET}"],
)  # fmt: skip
def test_an_address_that_cannot_be_is_told_without_it_and_news_wait(told: Ledger, address: str) -> None:
    report = send(told, address)
    assert "INCIDENTS_WEBHOOK holds no http or https address" in report.problem
    assert (report.waiting, told.notifications("flights").waiting) == (1, 1)


def test_a_password_in_the_address_is_refused(told: Ledger) -> None:
    assert "has a user or password" in send(told, f"http://me:{SECRET}@127.0.0.1/").problem


def test_a_variable_that_is_not_set_is_told_and_news_wait(told: Ledger) -> None:
    report = deliver(told, "flights", WEBHOOK, environment={})
    assert report.problem == (
        "The environment variable INCIDENTS_WEBHOOK (monitor.webhook.url_from) is not set: news of incidents wait."
    )
    assert report.waiting == 1


def test_without_a_webhook_news_are_let_go_and_not_sent_when_there_is_one(told: Ledger, hook: Hook) -> None:
    assert send(told, hook.address, webhook=None) == DeliveryReport(0, 0, 1, 0, 0)
    assert send(told, hook.address) == DeliveryReport(0, 0, 0, 0, 0)
    assert hook.got == []


def test_one_run_ends(
    ledger: Ledger, hook: Hook, make_trouble: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifying, "MOST_AT_ONCE", 4)
    many = [make_trouble(0, columns=f"column{n}") for n in range(7)]
    ledger.record("flights", Span(0, DAY), many, at=5)
    report = send(ledger, hook.address)
    assert (report.sent, report.waiting) == (4, 3)


SENDER = """
import os, signal, sys
from jomon.core.spec_monitor import WebhookSpec
from jomon.project.notifying import deliver
from jomon.store.ledger import open_ledger
from jomon.store.sql.ledger import Ledger

if sys.argv[2] == "die":
    Ledger.mark_sent = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with open_ledger(sys.argv[1]) as ledger:
    os.write(1, b"ready" + bytes([10]))
    sys.stdin.readline()
    print(deliver(ledger, "flights", WebhookSpec(url_from="INCIDENTS_WEBHOOK")).sent)
"""


def sender(place: Path | str, hook: Hook, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SENDER, str(place), *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "INCIDENTS_WEBHOOK": hook.address},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_sender_that_dies_before_it_marks_lets_the_next_send_the_same_key(
    told: Ledger, ledger_place: Path | str, hook: Hook
) -> None:
    with sender(ledger_place, hook, "die") as process:
        process.communicate("go\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    now = time.time_ns() // 1000
    assert send(told, hook.address, now) == DeliveryReport(0, 0, 0, 1, 0)  # its lease runs
    assert send(told, hook.address, now + LEASE) == DeliveryReport(1, 0, 0, 0, 0)
    assert len(hook.got) == 2
    assert len(set(hook.ids)) == 1
    assert hook.got[0][1] == hook.got[1][1]


def test_two_processes_at_once_send_each_once(
    ledger: Ledger, ledger_place: Path | str, hook: Hook, make_trouble: Make
) -> None:
    many = [make_trouble(0, columns=f"column{n}") for n in range(30)]
    ledger.record("flights", Span(0, DAY), many, at=5)
    hook.pause = 0.01
    senders = [sender(ledger_place, hook, "live") for _ in range(2)]
    for process in senders:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    sent = []
    for process in senders:
        with process:
            sent.append(int(process.communicate(timeout=60)[0]))
    assert sum(sent) == len(hook.ids) == len(set(hook.ids)) == 30
    assert min(sent) > 0


def test_slack_gets_text_and_blocks(told: Ledger, hook: Hook) -> None:
    slack = WebhookSpec(url_from="INCIDENTS_WEBHOOK", format="slack")
    assert send(told, hook.address, webhook=slack).sent == 1
    [(headers, body)] = hook.got
    assert headers["idempotency-key"]
    assert set(body) == {"text", "blocks"}
    assert body["text"] == "flights-1 opened, severity medium: distance is 1.609 times what it was"
    header, sentence, fields, context = body["blocks"]
    assert header == {
        "type": "header",
        "text": {"type": "plain_text", "text": "flights-1 opened, severity medium"},
    }
    assert sentence["text"] == {"type": "mrkdwn", "text": "distance is 1.609 times what it was"}
    assert [one["text"] for one in fields["fields"]] == [
        "*Where*\ncarrier=UA", "*Columns*\ndistance", "*Since*\n1970-01-01 00:00 UTC", "*Windows*\n1",
        "*Rows*\n55 of 2 members", "*Cost*\nunknown",
    ]  # fmt: skip
    assert context["elements"] == [{"type": "mrkdwn", "text": "jomon monitor, 1970-01-01 00:00 UTC"}]


def test_slack_takes_text_of_others_as_text_and_never_too_much(told: Ledger, make_trouble: Make) -> None:
    taken = told.claim("flights", 0)
    assert taken is not None
    document = json.loads(json.dumps(taken.document))
    document["incident"]["cause"]["sentence"] = "<!channel> & " + "x" * 9000
    document["incident"]["segments"] = [f"carrier=<{n}>" for n in range(2000)]
    document["incident"]["name"] = "n" * 500
    document["event"]["note"] = "mended" * 1000
    document["incident"] |= {"loss": 12.5, "loss_low": 1.0, "loss_high": 30.0}
    message = slack_message(document)
    header, sentence, fields, context = message["blocks"]
    assert len(header["text"]["text"]) <= 150
    assert sentence["text"]["text"].startswith("&lt;!channel&gt; &amp; x")
    assert (
        max(len(sentence["text"]["text"]), len(context["elements"][0]["text"]), len(message["text"])) <= 3000
    )
    assert max(len(one["text"]) for one in fields["fields"]) <= 2000
    assert fields["fields"][-1]["text"] == "*Cost*\n12.5 [1, 30] in the last window"
    assert "<!" not in json.dumps(message)

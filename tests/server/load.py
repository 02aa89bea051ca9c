"""Callers that ask without pause over connections of their own, and note every answer."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Next = Callable[[], tuple[str, Any]]
"""Gives the path and the document of the next request."""


@dataclass(frozen=True)
class Answered:
    """A request that was answered: what was asked, the status, and what came back."""

    path: str
    sent: Any
    status: int
    headers: dict[str, str]
    document: Any


@dataclass
class Callers:
    """What the callers saw so far: answers, and requests that ended without one."""

    answered: list[Answered] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    count: int = 0

    @property
    def statuses(self) -> set[int]:
        return {one.status for one in self.answered}

    def acknowledged(self, status: int, name: str) -> list[str]:
        """The ids under `name` in all answers with a status."""
        return [one.document[name] for one in self.answered if one.status == status]


@contextmanager
def calling(
    port: int, asks: list[Next], *, patient: bool = False, headers: dict[str, str] | None = None
) -> Iterator[Callers]:
    """One connection and thread for each of `asks`, from the beginning of the block to its end.

    A connection that breaks or is refused is a failure that is noted; it is made again, after a moment if `patient`.
    """
    callers = Callers()
    threads = [
        threading.Thread(target=_call, args=(port, ask, callers, patient, headers or {}), daemon=True)
        for ask in asks
    ]
    for thread in threads:
        thread.start()
    try:
        yield callers
    finally:
        callers.stop.set()
        for thread in threads:
            thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def _call(port: int, ask: Next, callers: Callers, patient: bool, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while not callers.stop.is_set():
        path, document = ask()
        try:
            connection.request(
                "POST", path, json.dumps(document), {"Content-Type": "application/json", **headers}
            )
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            answer = Answered(path, document, response.status, told, json.loads(response.read()))
        except (OSError, http.client.HTTPException, ValueError) as error:
            callers.failed.append(f"{type(error).__name__}: {error}")
            connection.close()
            if patient:
                callers.stop.wait(0.02)
            continue
        callers.answered.append(answer)
    connection.close()

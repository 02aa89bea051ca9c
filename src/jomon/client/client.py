"""Ask a jomon server, and tell it what became true."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

from jomon.client.connection import Answer, CallError, Connection, Retries
from jomon.client.rows import outcomes_of, rows_of
from jomon.core.errors import DataError, JomonError, PredictError, UnknownNameError

_ONCE = Retries(0)


@dataclass(frozen=True)
class Prediction:
    """Answers in the order of the rows.

    `request_id` is the server's and unique: an outcome may name it. `id` is the caller's. `image` is the digest of the
    image that answered, `reference` its name. `explanations` has a document per row if it was asked for.
    """

    answers: list[float]
    request_id: str
    id: str
    fleet: str
    reference: str
    image: str
    explanations: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class Report:
    """How many outcomes the server recorded, and under which id."""

    accepted: int
    report_id: str


@dataclass(frozen=True)
class ServedFleet:
    """A fleet that a server answers for."""

    fleet: str
    reference: str
    image: str
    versions: tuple[str, ...]
    members: int
    question: str = ""


class Client:
    """A client of the server at `url`; threads may share it, each gets a connection of its own, which stays open.

    `key`: an API key, if the server wants one. `timeout`: seconds to connect, and to wait for each part of an answer.
    `retries`: how often a call is tried again if the server is too busy (503, after the time it asks for, at most
    `longest_wait` seconds) or the connection broke; with 0 nothing is ever sent twice. `ca_file`: certificates that
    are trusted instead of the system's.

    A prediction that is sent again may be in the server's log twice, under two request ids, if it was the answer that
    got lost; both records have the `id` of this call, which is made up where none is given. An outcome that is sent
    again is recorded as repeated and changes nothing.

    Raises `PredictError` for rows and `DataError` for outcomes that do not fit, `UnknownNameError` for a fleet that is
    not served, and `CallError` for the rest, all with the server's own sentence.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        timeout: float = 10.0,
        retries: int = 2,
        *,
        longest_wait: float = 5.0,
        ca_file: str | None = None,
    ) -> None:
        headers = {"Accept": "application/json", "User-Agent": "jomon-client"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self._connection = Connection(url, headers, timeout, ca_file)
        self._retries = Retries(retries, longest_wait)

    def predict(
        self, rows: Any, fleet: str | None = None, explain: bool = False, request_id: str | None = None
    ) -> Prediction:
        """The answers to `rows`: mappings from column to value, one mapping, or a Polars, pandas or Arrow frame.

        NaN and None are missing values; times with a zone keep it, times without one are in the fleet's. `fleet` may be
        left out where the server has one. `request_id` is an id of the caller's own.
        """
        own = uuid.uuid4().hex if request_id is None else request_id
        body = {"rows": rows_of(rows), "id": own, "explain": explain}
        answer = self._call("POST", _path("/predict", fleet), body)
        if answer.status != 200:
            _refuse(answer, PredictError)
        told = _document(answer)
        try:
            return Prediction(
                answers=told["answers"],
                request_id=told["request_id"],
                id=own,
                fleet=told["fleet"],
                reference=told["reference"],
                image=told["image"],
                explanations=told.get("explanations"),
            )
        except KeyError as error:
            raise _no_jomon(self._connection.url) from error

    def outcomes(
        self, items: Sequence[Mapping[str, Any]] | Mapping[str, Any], fleet: str | None = None
    ) -> Report:
        """Report outcomes: mappings with `value` (None: it will never be known), with `key` (a mapping of the key
        columns) or `request_id` and `row`, and with `known_at` if it is not now."""
        try:
            body = {"outcomes": outcomes_of(items)}
        except PredictError as error:
            raise DataError(str(error)) from None
        answer = self._call("POST", _path("/outcomes", fleet), body)
        if answer.status != 202:
            _refuse(answer, DataError)
        told = _document(answer)
        return Report(told["accepted"], told["report_id"])

    def live(self) -> bool:
        """Whether the server answers at all."""
        return self._is_well("/v2/health/live")

    def ready(self, fleet: str | None = None) -> bool:
        """Whether the server, or one fleet of it, would answer rows now."""
        if fleet is None:
            return self._is_well("/v2/health/ready")
        return self._is_well(f"/v2/models/{quote(fleet, safe='')}/ready")

    def metadata(self, fleet: str, version: str | None = None) -> dict[str, Any]:
        """The columns that a fleet takes, and its versions, as the Open Inference Protocol tells them."""
        path = f"/v2/models/{quote(fleet, safe='')}"
        if version is not None:
            path += f"/versions/{quote(version, safe=':')}"
        return _document(self._get(path))

    def fleets(self) -> list[ServedFleet]:
        """The fleets that the server answers for."""
        return [
            ServedFleet(
                fleet=one["fleet"],
                reference=one["reference"],
                image=one["image"],
                versions=tuple(one["versions"]),
                members=one["members"],
                question=one.get("question", ""),
            )
            for one in _document(self._get("/fleets"))["fleets"]
        ]

    def metrics(self) -> str:
        """The server's metrics in the text format of Prometheus."""
        return self._get("/metrics").body.decode()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._connection.url!r})"

    def _call(self, method: str, path: str, document: Any) -> Answer:
        body = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        return self._connection.call(method, path, body, self._retries)

    def _get(self, path: str) -> Answer:
        answer = self._connection.call("GET", path, None, self._retries)
        if answer.status != 200:
            _refuse(answer, CallError)
        return answer

    def _is_well(self, path: str) -> bool:
        try:
            return self._connection.call("GET", path, None, _ONCE).status == 200
        except CallError:
            return False


def _path(route: str, fleet: str | None) -> str:
    return route if fleet is None else f"{route}/{quote(fleet, safe='')}"


def _document(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CallError(
            f"What answered with the status {answer.status} is no jomon server: check the URL.", answer.status
        )
    return found


def _no_jomon(url: str) -> CallError:
    return CallError(f"What answers at {url} is no jomon server: check the URL.", 200)


def _refuse(answer: Answer, misfit: type[JomonError]) -> NoReturn:
    """Raise the error that a refusal means, with the server's sentence."""
    try:
        told = json.loads(answer.body)
        sentence, request_id = str(told["error"]), told.get("request_id")
    except (ValueError, KeyError, TypeError, AttributeError):
        sentence, request_id = f"The server answered with the status {answer.status} and no reason.", None
    if answer.status == 422 and misfit is not CallError:
        raise misfit(sentence)
    if answer.status == 404:
        raise UnknownNameError(sentence)
    raise CallError(sentence, answer.status, request_id)

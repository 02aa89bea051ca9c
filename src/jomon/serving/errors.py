"""What a server refuses, with the status it answers."""

from __future__ import annotations

from jomon.core.errors import JomonError


class RequestError(JomonError):
    """A request that is not answered: `status`, one sentence, and a word for the metrics.

    `retry_after`: seconds after which trying again may help; `allow`: the methods that a path takes (405).
    """

    def __init__(
        self, status: int, sentence: str, reason: str, retry_after: int | None = None, allow: str = ""
    ) -> None:
        super().__init__(sentence)
        self.status, self.reason, self.retry_after, self.allow = status, reason, retry_after, allow

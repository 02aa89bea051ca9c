"""What a table holds, as its last commit says; read from the log, so that no data frame library loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from jomon.core.errors import DataError
from jomon.oci.digest import Digest

STATE_KEY = "jomon"
HISTORY = 100  # commits to look back for our own state: others may have compacted the table since


@dataclass(frozen=True)
class TableState:
    """What a table holds after a write: read from its last commit, never by reading rows.

    `recipe` is the digest of the rules that made it, `through` the number of bronze rows it has taken
    account of, `rows` its rows, `content` the set digest of these rows, `base` the ingest that last wrote
    it anew, `follows` the base of the table it was made from, `counts` what a report wants to know of it.
    """

    recipe: str
    through: int
    rows: int
    content: int
    base: str
    follows: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        """The state as it stands in a commit."""
        return json.dumps({**self.__dict__, "content": f"{self.content:032x}"}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> TableState:
        """The inverse of `as_json`; raises `DataError` for a state that a newer jomon wrote."""
        document = json.loads(text)
        if not set(document) <= {entry.name for entry in fields(cls)}:
            raise DataError("The tables were written by a newer jomon than this one: upgrade it.")
        return cls(**{**document, "content": int(document["content"], 16)})

    @property
    def digest(self) -> Digest:
        """The digest of what the table holds: equal rows, in whatever order and number of writes."""
        return Digest.of_json({"rows": self.rows, "content": f"{self.content:032x}"})


def logged_state(root: Path | str, name: str) -> TableState | None:
    """The state of the local table `name` under the folder `root`, from its newest commits.

    None where the log does not tell: no table is there, it is in an object store, or its log was compacted.
    """
    if "://" in str(root):
        return None
    commits = sorted(Path(root, name, "_delta_log").glob("[0-9]*.json"), reverse=True)
    for path in commits[:HISTORY]:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            for line in lines:
                if STATE_KEY in line and STATE_KEY in (told := json.loads(line).get("commitInfo", {})):
                    return TableState.from_json(told[STATE_KEY])
        except (OSError, ValueError, KeyError, TypeError):
            return None
    return None

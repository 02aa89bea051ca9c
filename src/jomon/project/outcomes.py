"""Outcomes from files, and how many came for what was predicted."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jomon.core.errors import UnknownNameError
from jomon.core.spec import ProjectSpec
from jomon.core.suggest import ending
from jomon.oci import media
from jomon.project.home import Home
from jomon.project.opened import OpenProject


@dataclass(frozen=True)
class AddReport:
    """What became of a file of outcomes.

    `statuses`: rows by status; `refused`: rows that are kept and not used, by the rule that says so; `without_value`:
    outcomes that will never be known; `matched`: rows that belong to a recorded prediction already; `ignored`: columns
    that were passed over.
    """

    fleet: str
    file: str
    report_id: str
    rows: int
    statuses: dict[str, int]
    refused: dict[str, int]
    without_value: int
    matched: int
    ignored: tuple[str, ...]
    seconds: float

    def document(self) -> dict[str, Any]:
        """The JSON of `jomon outcomes add --json`."""
        return {**vars(self), "ignored": list(self.ignored), "seconds": round(self.seconds, 3)}


def add_outcomes(
    home: Home, fleet: str, spec: ProjectSpec, path: Path | str, now_us: int | None = None
) -> AddReport:
    """Add the outcomes in a file to those of a fleet: all of them or, where one cannot be read, none.

    They are received at `now_us` (microseconds since 1970-01-01 UTC; by the clock of this machine if left out). Raises
    `DataError` that names the row and the column.
    """
    from jomon.data import outcomes_writing
    from jomon.data.outcomes import STATUSES, count_matched
    from jomon.data.outcomes_file import read_outcomes_file
    from jomon.data.outcomes_table import CONFLICTING, LATE, outcomes_table
    from jomon.data.predictions import predictions_table

    started = time.perf_counter()
    received = time.time_ns() // 1000 if now_us is None else now_us
    report_id = uuid.uuid4().hex
    read = read_outcomes_file(path, spec, received, report_id, _hashing(home, spec))
    rules, root = spec.serving.outcomes, home.tables
    tables = predictions_table(root, fleet), outcomes_table(root, fleet)
    judged = outcomes_writing.add_outcomes(root, tables, read.rows, spec.data.time, rules.late_after)
    told = dict(judged["status"].value_counts().iter_rows())
    statuses = {name: int(told.get(name, 0)) for name in STATUSES}
    policies = {LATE: rules.late, CONFLICTING: rules.conflicting}
    return AddReport(
        fleet,
        str(path),
        report_id,
        judged.height,
        statuses,
        {name: statuses[name] for name, policy in policies.items() if policy == "refuse"},
        judged["value"].null_count(),
        count_matched(root, fleet, judged),
        read.ignored,
        time.perf_counter() - started,
    )


def outcomes_status(home: Home, fleet: str, spec: ProjectSpec) -> dict[str, Any]:
    """The counts of `jomon outcomes status`; see `jomon.data.outcomes.summary`."""
    from jomon.data.outcomes import summary

    return {"fleet": fleet, **summary(home.tables, fleet, spec)}


def fleet_and_spec(home: Home, fleet: str | None, project: OpenProject | None) -> tuple[str, ProjectSpec]:
    """The fleet that is meant, and what is declared of it: by the project's file or, where it is none of the project,
    by its image `latest`, else the newest.

    Without a name it is the project's, or the only one of the store. Raises `UnknownNameError`.
    """
    if project is not None and fleet in (None, project.spec.fleet):
        return project.spec.fleet, project.spec
    listed = home.images.images()
    newest = {entry.repository: entry.digest for entry in reversed(listed) if entry.repository}
    if fleet is None and len(newest) == 1:
        fleet = next(iter(newest))
    if fleet is None:
        told = f"one of {', '.join(sorted(newest))}" if newest else "none is in this store"
        raise UnknownNameError(f"It is not clear which fleet is meant: name it with --fleet ({told}).")
    if fleet not in newest:
        raise UnknownNameError(f"The store has no image of a fleet {fleet!r}{ending(fleet, newest)}")
    digest = next((e.digest for e in listed if (e.repository, e.tag) == (fleet, "latest")), newest[fleet])
    document = json.loads(home.images.read_blob(home.images.manifest(digest).layer(media.FLEET)))
    return fleet, ProjectSpec.from_canonical(document["spec"])


def _hashing(home: Home, spec: ProjectSpec) -> Callable[[str], str] | None:
    """What hashes personal key columns as the server does; None where the log keeps none of them hashed."""
    if not set(spec.serving.log.hash) & set(spec.data.key):
        return None
    from jomon.project.serving import hash_key
    from jomon.serving.recording import keyed_hash

    return keyed_hash(hash_key(home))

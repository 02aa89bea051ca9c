"""The signals of a fleet, read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

from jomon.core.errors import UnknownNameError
from jomon.core.findings import Signal, SignalKind
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.core.suggest import ending
from jomon.project.home import Home
from jomon.project.replay_plan import read_moment


def signals(
    home: Home,
    fleet: str,
    spec: ProjectSpec,
    segment: str | None = None,
    since: str | None = None,
    kind: str | None = None,
) -> list[Signal]:
    """Signals of a fleet in order of window, segment, kind and column: of one segment, of windows that end after
    `since`, of one kind.

    Raises `UnknownNameError` for a segment or a kind that is none, `JomonError` for a time that is none.
    """
    from jomon.data.signals_table import read_signals

    kinds = get_args(SignalKind)
    if kind is not None and kind not in kinds:
        raise UnknownNameError(f"There is no kind of signal {kind!r}{ending(kind, kinds)}")
    wanted = None if segment is None else Segment.parse(segment)
    after = None
    if since is not None:
        after = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=read_moment(since, "--since", spec))
    return read_signals(home.tables, fleet, wanted, after, kind)

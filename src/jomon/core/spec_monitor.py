"""The section `monitor` of the project file: what a window is, what counts as a finding, and whom to tell."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from jomon.core.spec_types import Duration, Model, Name


class PracticalSpec(Model):
    """Effects below these are no findings, however sure they are.

    `drift` is the share of rows whose values moved, `nulls` that of rows which lost or gained a value, `volume` the
    share of rows too many or too few, `outcomes` the distance between mean outcome and mean answer in relation to the
    spread of outcomes.
    """

    drift: float = Field(default=0.1, ge=0, le=1)
    nulls: float = Field(default=0.02, ge=0, le=1)
    volume: float = Field(default=0.15, ge=0, le=1)
    outcomes: float = Field(default=0.1, ge=0)


class WebhookSpec(Model):
    """Where news of incidents go: `url_from` names the environment variable that holds the address, which may itself
    be a secret; `format` is what the other side reads."""

    url_from: Name
    format: str = Field(default="json", pattern="^(json|slack)$")


class MonitorSpec(Model):
    """How a fleet is checked.

    `window` is a span of local time, checked `closed_after` its end. `rate` is the share of quiet checks that may raise
    anything, and the share of false alarms over all checks. `history` is how many earlier windows of the data a window
    may be judged by, `features` which recorded columns are watched (all features by default), and `min_rows` the rows
    below which nothing is said of a segment.
    """

    window: Duration = timedelta(days=1)
    closed_after: Duration = timedelta(hours=1)
    rate: float = Field(default=0.05, gt=0, lt=0.5)
    history: int = Field(default=180, ge=19, le=2000)
    features: tuple[Name, ...] | None = None
    min_rows: int = Field(default=10, ge=2)
    bins: int = Field(default=8, ge=2, le=64)
    practical: PracticalSpec = PracticalSpec()
    webhook: WebhookSpec | None = None

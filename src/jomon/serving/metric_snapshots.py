"""What a worker leaves of its numbers: one file, written as a whole, read by all workers that render the metrics."""

from __future__ import annotations

from pathlib import Path

import msgspec

from jomon.serving.metric_families import FAMILIES

Key = tuple[str, tuple[str, ...]]
"""A metric and the values of its labels: `("jomon_rows_total", ("flights",))`."""
SUFFIX = ".json"
BEAT_SECONDS = 5.0
"""An idle worker writes its snapshot this often, so that it is known to live."""


class SavedHistogram(msgspec.Struct, frozen=True, array_like=True):
    """Observations per bucket, the last one unbounded, and the sum of their values."""

    key: Key
    counts: list[int]
    sum: float


class Snapshot(msgspec.Struct, frozen=True):
    """What one worker left: its numbers, and when, in seconds of the machine's own clock since it started."""

    at: float
    counts: list[tuple[Key, float]]
    histograms: list[SavedHistogram]
    gauges: list[tuple[Key, float]]


_decode = msgspec.json.Decoder(Snapshot).decode
_encode = msgspec.json.Encoder().encode


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write `snapshot` as a whole or not at all; raises OSError."""
    new, data = path.with_suffix(".new"), _encode(snapshot)
    with new.open("wb", buffering=0) as file:
        if file.write(data) != len(data):
            raise OSError(f"{new} was cut short")
    new.replace(path)


def _fits(key: Key, kind: str, buckets: int = 0) -> bool:
    family = FAMILIES.get(key[0])
    if family is None or family.kind != kind or len(family.labels) != len(key[1]):
        return False
    return kind != "histogram" or buckets == len(family.bounds) + 1


def read_snapshot(path: Path) -> Snapshot | None:
    """The snapshot in a file; None where there is none or it cannot be read as one.

    Numbers of metrics that this program does not have, or has with other labels or buckets, are left out.
    """
    try:
        found = _decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Snapshot(
        found.at,
        [(key, value) for key, value in found.counts if _fits(key, "counter")],
        [saved for saved in found.histograms if _fits(saved.key, "histogram", len(saved.counts))],
        [(key, value) for key, value in found.gauges if _fits(key, "gauge")],
    )


def clear(folder: Path | str) -> None:
    """Take away what an earlier server left in `folder`: its counters are no part of this one's."""
    for path in Path(folder).glob("*"):
        if path.suffix in (SUFFIX, ".new"):
            path.unlink(missing_ok=True)

"""The report's plots of segments: a labelled forest where there are few, dots in order where there are
many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .report_style import LIGHT
from .report_svg import figure
from .report_text import Json, finite, level_name, shortened

LABELLED = 40
"""Up to so many segments each gets a line with its name."""
MOST_DRAWN = 800
"""More dots than this cannot be told apart, and make the page heavy."""


def segments(result: Json) -> str:
    """One plot per stage that has several segments with a difference."""
    levels = {s.get("stage"): level_name(s.get("level")) for s in result.get("stages", [])}
    out: list[str] = []
    for stage in sorted({s.get("stage") for s in result["segments"]}, key=str):
        known = [
            s
            for s in result["segments"]
            if s.get("stage") == stage and finite((s.get("difference") or {}).get("value")) is not None
        ]
        if len(known) > 1:
            known.sort(key=lambda s: float(s["difference"]["value"]))
            out.append(
                _stage(f"segments-{len(out)}", f"Stage {stage}: {levels.get(stage, 'segments')}", known)
            )
    return "".join(out)


def _stage(name: str, title: str, all_known: Sequence[Json]) -> str:
    known = _thinned(all_known)
    value = np.array([float(s["difference"]["value"]) for s in known])
    low = np.array([_bound(s, "low") for s in known])
    high = np.array([_bound(s, "high") for s in known])
    labels = [str(s.get("segment", "")) for s in known] if len(known) <= LABELLED else None
    colours = [_colour(s) for s in known]
    shapes = np.array([_shape(s) for s in known])

    def draw(canvas: Any, narrow: bool) -> None:
        axes = canvas.subplots()
        place, across = np.arange(len(known)), labels is not None
        lines = axes.hlines if across else axes.vlines
        lines(
            place,
            low,
            high,
            color=colours,
            linewidth=1.4 if across else _thin(len(known), narrow),
            alpha=0.65,
        )
        for shape in ("o", "v", "^"):
            chosen = np.flatnonzero(shapes == shape)
            x, y = (value[chosen], place[chosen]) if across else (place[chosen], value[chosen])
            size = (22 if across else 7) * (1.0 if shape == "o" else 2.2)
            axes.scatter(x, y, s=size, c=[colours[i] for i in chosen], marker=shape, zorder=3, linewidths=0)
        _scales(axes, across, labels, narrow)
        limits = _limits(value, low, high)
        (axes.set_xlim if across else axes.set_ylim)(*limits)

    counts = {word: sum(s.get("significant") == word for s in all_known) for word in ("better", "worse")}
    words = (
        f"{len(all_known):,} segments in order of their difference in loss, with 95% intervals; below zero "
        f"the "
        f"fleet is "
        f"better. After false-discovery control {counts['better']:,} are significantly better (triangles "
        f"down) and "
        f"{counts['worse']:,} significantly worse (triangles up)."
    )
    if len(known) < len(all_known):
        words += f" Of them {len(known):,} are drawn: every significant one, and the others evenly by order."
    height = 0.19 * len(known) + 0.75 if labels is not None else 2.7
    return figure(name, title, words, draw, (height, height))


def _thinned(known: Sequence[Json]) -> Sequence[Json]:
    """At most about `MOST_DRAWN` segments, in order, the significant ones all kept."""
    if len(known) <= MOST_DRAWN:
        return known
    step = len(known) / MOST_DRAWN
    even = {int(i * step) for i in range(MOST_DRAWN)} | {len(known) - 1}
    return [s for i, s in enumerate(known) if i in even or s.get("significant")]


def _scales(axes: Any, across: bool, labels: list[str] | None, narrow: bool) -> None:
    (axes.axvline if across else axes.axhline)(0.0, color=LIGHT["soft"], linewidth=1.0)
    if labels is not None:
        axes.set_yticks(range(len(labels)), [shortened(text, 22 if narrow else 60) for text in labels])
        axes.set_ylim(-0.8, len(labels) - 0.2)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("difference in loss")
        axes.locator_params(axis="x", nbins=4 if narrow else 8)
    else:
        axes.set_ylabel("difference in loss")
        axes.set_xlabel("segments in order of their difference")
        axes.grid(axis="x", visible=False)
        axes.set_xticks([])


def _limits(
    value: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[float, float]:
    """The scale holds every value, and the bounds of all but the few segments that know least."""
    least = min(float(value.min()), 0.0, float(np.nanquantile(np.r_[low, value], 0.05)))
    most = max(float(value.max()), 0.0, float(np.nanquantile(np.r_[high, value], 0.95)))
    room = 0.06 * max(most - least, 1e-9)
    return least - room, most + room


def _bound(segment: Json, side: str) -> float:
    known = finite(segment["difference"].get(side))
    return float(segment["difference"]["value"]) if known is None else known


def _colour(segment: Json) -> str:
    return {"worse": LIGHT["bad"], "better": LIGHT["good"]}.get(
        str(segment.get("significant") or ""), LIGHT["even"]
    )


def _shape(segment: Json) -> str:
    return {"worse": "^", "better": "v"}.get(str(segment.get("significant") or ""), "o")


def _thin(count: int, narrow: bool) -> float:
    return float(np.clip((200 if narrow else 480) / count * 0.55, 0.3, 1.4))

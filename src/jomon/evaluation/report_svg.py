"""Plots as inline SVG: drawn by matplotlib, coloured by the page, named for those who do not see them."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from html import escape
from typing import Any

from jomon.core.errors import JomonError

from .report_style import LIGHT, variable

WIDE, NARROW = 8.6, 3.7
"""Widths in inches (72 points each) of the drawing for a screen and for a phone; each is scaled to its
column."""
_FONT = re.compile(r"(font: [^']*)'DejaVu Sans'[^;\"]*")
_IDENTIFIER = re.compile(r'(\bid="|href="#|url\(#)')

Draw = Callable[[Any, bool], None]
"""Draws on an empty matplotlib figure; told whether it is the narrow one."""


def figure(name: str, title: str, description: str, draw: Draw, height: tuple[float, float]) -> str:
    """An HTML figure with one drawing for wide screens and one for phones, of which the page shows one.

    `name` is unique on the page; `title` and `description` are what a screen reader says; `height` in
    inches, wide and narrow. Raises JomonError where matplotlib is not installed.
    """
    wide = _svg(f"{name}-w", title, description, draw, (WIDE, height[0]), narrow=False)
    slim = _svg(f"{name}-n", title, description, draw, (NARROW, height[1]), narrow=True)
    return (
        f'<figure><div class="wide">{wide}</div><div class="narrow">{slim}</div>'
        f"<figcaption><strong>{escape(title)}.</strong> {escape(description)}</figcaption></figure>"
    )


def require_matplotlib() -> None:
    """Raise the JomonError that says how to get matplotlib, where it is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise JomonError(
            "The HTML report draws its plots with matplotlib, which is not installed: pip install "
            '"jomon[report]".'
        ) from error


def _svg(
    name: str, title: str, description: str, draw: Draw, size: tuple[float, float], *, narrow: bool
) -> str:
    require_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    out = io.StringIO()
    # Text stays text, set by the page's own fonts, so glyphs that matplotlib's font lacks are no loss.
    settings: Any = _settings(name)
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        canvas = Figure(figsize=size, layout="constrained")
        draw(canvas, narrow)
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas.savefig(out, format="svg", transparent=True, metadata=metadata)
    return _inline(out.getvalue(), name, title, description)


def _settings(name: str) -> dict[str, Any]:
    ink, soft, line = LIGHT["ink"], LIGHT["soft"], LIGHT["line"]
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "text.parse_math": False,
        "axes.unicode_minus": True,
        "font.family": "DejaVu Sans",
        "font.size": 9.0,
        "text.color": ink,
        "axes.labelcolor": soft,
        "axes.edgecolor": line,
        "axes.titlecolor": ink,
        "axes.titlesize": 9.5,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.formatter.useoffset": False,
        "grid.color": line,
        "grid.linewidth": 0.6,
        "xtick.color": line,
        "ytick.color": line,
        "xtick.labelcolor": soft,
        "ytick.labelcolor": soft,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
    }


def _inline(svg: str, name: str, title: str, description: str) -> str:
    """Cut what only a stand-alone file needs, make identifiers unique, and let the page choose the
    colours."""
    svg = svg[svg.index("<svg") :].rstrip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r'<style type="text/css">.*?</style>\s*', "", svg, flags=re.S)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.S)
    svg = _IDENTIFIER.sub(lambda found: f"{found.group(1)}{name}-", svg)
    svg = _FONT.sub(r"\1system-ui, sans-serif", svg)
    for colour, value in (*LIGHT.items(), ("ink", "#000000")):
        svg = svg.replace(value, variable(colour))
    opening, body = svg[: svg.index(">") + 1], svg[svg.index(">") + 1 :]
    viewbox = re.search(r'viewBox="[^"]*"', opening)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{viewbox.group() if viewbox else ""} role="img" aria-labelledby="{name}-title {name}-desc" '
        f'stroke-linejoin="round">'
    )
    words = (
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    )
    return head + words + body

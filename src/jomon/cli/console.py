"""Where things are printed: facts on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PLAIN_WIDTH = 120  # columns where stdout is no terminal and COLUMNS says nothing


def stdout() -> Console:
    """The console for facts; without colours and of a fixed width where it is no terminal."""
    return _console(stderr=False)


def stderr() -> Console:
    """The console for progress."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    fixed = None if stream.isatty() or os.environ.get("COLUMNS") else PLAIN_WIDTH
    return Console(stderr=stderr, width=fixed, highlight=False, markup=False, emoji=False, soft_wrap=False)


def print_json(document: Any) -> None:
    """A document as JSON on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def table(*headings: str, right: Sequence[str] = (), wrap: Sequence[str] = ()) -> Table:
    """A table without lines, as Docker prints them; columns named in `right` are numbers.

    Only columns named in `wrap` may be broken over lines, so that numbers and names stay whole.
    """
    from rich.table import Table

    out = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        folds = heading in wrap
        out.add_column(
            heading,
            justify="right" if heading in right else "left",
            no_wrap=not folds,
            overflow="fold" if folds else "ellipsis",
        )
    return out


def show(out: Table) -> None:
    """A table on stdout, without blanks at the ends of its lines."""
    console = stdout()
    with console.capture() as captured:
        console.print(out)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def say(line: str = "", style: str | None = None) -> None:
    """One line (or a paragraph that wraps) on stdout."""
    stdout().print(line, style=style)


def raw(line: str) -> None:
    """One line on stdout as it is, however long: a command to be copied, or a path."""
    sys.stdout.write(line + "\n")

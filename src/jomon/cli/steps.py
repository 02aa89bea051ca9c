"""Steps of a long command in the manner of `docker build`: numbered lines with CACHED and seconds, bars in between.

On a terminal a bar shows what runs now; elsewhere every step is one plain line when it ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from jomon.cli import words
from jomon.cli.console import stderr

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

BAR = 24  # characters of a bar: short enough for a description beside it on 80 columns


class Steps:
    """Prints steps to stderr as they end; a context manager. Silent if not `shown` (with --json)."""

    def __init__(self, shown: bool = True) -> None:
        self._shown = shown
        self._console: Console | None = stderr() if shown else None
        self._live = self._console is not None and self._console.is_terminal
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._since = time.perf_counter()
        self.started = self._since

    def __enter__(self) -> Steps:
        if self._live:
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(BAR),
                TextColumn("{task.fields[done]}", markup=False),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def title(self, text: str) -> None:
        """A heading over the steps that follow."""
        self._print(f"[+] {text}", "bold")

    def begin(self, text: str, total: int | None = None, unit: str = "") -> None:
        """A step begins; its bar fills up to `total` units, or moves to and fro where that is not known."""
        self._since = time.perf_counter()
        if self._progress is not None:
            self._clear()
            done = f"0/{total:,}{unit}" if total else ""
            self._task = self._progress.add_task(f" => {text}", total=total, done=done)

    def advance(self, done: int, unit: str = "") -> None:
        """More of the running step is done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, done)
            task = next(t for t in self._progress.tasks if t.id == self._task)
            whole = f"/{int(task.total):,}" if task.total else ""
            self._progress.update(self._task, done=f"{int(task.completed):,}{whole}{unit}")

    def reach(self, done: float, text: str) -> None:
        """The running step has come to `done` of its total; `text` says where that is."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, done=text)

    def end(self, text: str, *, cached: bool = False, took: float | None = None) -> None:
        """The running step ended; its line stays."""
        self._clear()
        spent = time.perf_counter() - self._since if took is None else took
        self._line(f" => {'CACHED ' if cached else ''}{text}", words.seconds(spent))
        self._since = time.perf_counter()

    def note(self, text: str) -> None:
        """A line under the last step."""
        self._print(f" => => {text}")

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """One step around some work; its line is printed where the work does not fail."""
        self.begin(text)
        yield
        self.end(text)

    def _clear(self) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None

    def _line(self, left: str, right: str) -> None:
        if self._console is None:
            return
        room = min(self._console.width, 110) - len(right) - 1
        if len(left) > room:
            left = left[: room - 1] + "…"
        self._print(f"{left:<{room}} {right}", "cyan" if left.startswith(" => CACHED") else None)

    def _print(self, text: str, style: str | None = None) -> None:
        if self._console is not None:
            self._console.print(text, style=style, soft_wrap=True)

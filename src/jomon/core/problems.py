"""One thing that is wrong with a project file, before it has a line."""

from __future__ import annotations

from dataclasses import dataclass

from jomon.core.yaml_lines import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """`text` is the sentence for the value at `path`.

    `cross` marks a problem that compares parts of the file: it is not told while one of them is itself wrong.
    """

    path: Path
    text: str
    cross: bool = False

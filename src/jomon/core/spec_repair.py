"""A wrong file made readable: wrong values go, missing ones are filled in, and the rest can be judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jomon.core.yaml_lines import Path

_FILL: dict[str, Any] = {
    "fleet": "x", "question": "x", "data": {}, "stages": [{"level": []}], "source": "x:y", "time": "time",
    "key": ["key"], "target": {}, "features": {"calendar": ["hour"]}, "column": "outcome", "kind": "binary",
    "on": ["key"], "level": [], "country": "US", "database": "x", "query": "x", "delta": "x",
}  # fmt: skip
_NOTHING_NEEDED = "serving"  # a section whose keys all have defaults: what is wrong in it goes


class Repair:
    """A tree that is mended step by step and still knows where each list item stood in the file."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self._kept: dict[Path, list[int]] = {}
        self._touched: set[Path] = set()
        self._written: dict[Path, str] = {}

    @property
    def names_touched(self) -> bool:
        """Whether something was mended that gives the names which other parts use."""
        return any(_gives_names(path) for path in self._touched)

    def touches(self, path: Path) -> bool:
        """Whether `path` (of the file) is, holds or lies in something that was mended."""
        return any(path[: len(other)] == other[: len(path)] for other in self._touched)

    def inside(self, path: Path) -> bool:
        """Whether `path` (of the file) is or lies in something that was mended."""
        return any(path[: len(other)] == other for other in self._touched)

    def original(self, path: Path) -> Path:
        """The path in the file of what stands at `path` in the mended tree."""
        out: Path = ()
        for part in path:
            kept = self._kept.get(out)
            if isinstance(part, int) and kept is not None and part < len(kept):
                part = kept[part]  # noqa: PLW2901
            out = (*out, self._written.get((*out, part), part))
        return out

    def has(self, path: Path) -> bool:
        """Whether the mended tree has a value at `path`, whose last part is a key."""
        parent = self._parent(path)
        return isinstance(parent, dict) and path[-1] in parent

    def rename(self, path: Path, name: str) -> None:
        """Give the misspelt key at `path` its right `name`, so that its value can be judged."""
        parent = self._parent(path)
        parent[name] = parent.pop(path[-1])
        self._written[(*self.original(path[:-1]), name)] = str(path[-1])

    def mend(self, findings: Sequence[tuple[Path, str]]) -> None:
        """Take out or fill what the findings (path, kind of error) name: what lies deeper or later first."""
        self._touched |= {self.original(path) for path, _ in findings}
        for path, kind in sorted(set(findings), key=lambda item: _order(item[0]), reverse=True):
            self._mend_one(path, kind)

    def _mend_one(self, path: Path, kind: str) -> None:
        parent, last = self._parent(path), path[-1]
        if isinstance(parent, list):
            self._drop_item(path[:-1], parent, int(last))
        elif last in _FILL and path[0] != _NOTHING_NEEDED and kind != "extra_forbidden":
            parent[last] = [_FILL["key"][0]] if path[0] == "lookups" and last == "features" else _filled(last)
        else:
            parent.pop(last, None)

    def _parent(self, path: Path) -> Any:
        here = self.tree
        for part in path[:-1]:
            here = here[part]
        return here

    def _drop_item(self, place: Path, items: list[Any], index: int) -> None:
        kept = self._kept.setdefault(self.original(place), list(range(len(items))))
        del items[index], kept[index]


def _gives_names(path: Path) -> bool:
    section, *rest = path or ("",)
    if section == "axes":
        return True
    if section == "data":
        return (
            not rest
            or rest[0] in ("key", "time", "features", "contract")
            or rest in (["target"], ["target", "column"])
        )
    return section == "lookups" and (len(rest) < 2 or rest[1] in ("on", "features"))


def _filled(name: str | int) -> Any:
    value = _FILL[str(name)]
    return dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else value


def _order(path: Path) -> list[tuple[bool, str, int]]:
    return [
        (isinstance(p, int), "" if isinstance(p, int) else p, p if isinstance(p, int) else 0) for p in path
    ]

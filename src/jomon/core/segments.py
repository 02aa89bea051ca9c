"""Segments: one combination of values in a level, with a canonical text and a stable code."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from jomon.core.errors import UnknownNameError

ROOT_TEXT = "(all)"


@dataclass(frozen=True)
class Segment:
    """One combination of axis values; the empty one is the whole fleet.

    >>> Segment((("carrier", "UA"), ("season", "winter"))).text
    'carrier=UA season=winter'
    >>> Segment.parse("carrier=UA season=winter")["season"]
    'winter'
    """

    items: tuple[tuple[str, str], ...] = ()

    @cached_property
    def text(self) -> str:
        """Canonical text, axes in the level's order: `carrier=UA season=winter`, or `(all)` for the whole fleet."""
        return " ".join(f"{axis}={_quote(value)}" for axis, value in self.items) or ROOT_TEXT

    @cached_property
    def code(self) -> int:
        """A signed 64-bit integer that is the same on every machine and in every build: the head of a SHA-256."""
        return int.from_bytes(hashlib.sha256(self.text.encode()).digest()[:8], "little", signed=True)

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes, in the level's order."""
        return tuple(axis for axis, _ in self.items)

    def __getitem__(self, axis: str) -> str:
        for name, value in self.items:
            if name == axis:
                return value
        raise KeyError(axis)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Segment:
        """Read the canonical text back; raises `UnknownNameError` where it is not one."""
        if text.strip() in ("", ROOT_TEXT):
            return cls()
        items = []
        for part in _split(text.strip()):
            axis, equals, value = part.partition("=")
            if not equals or not axis:
                raise UnknownNameError(
                    f"{text!r} is not a segment: write axis=value pairs such as 'carrier=UA origin=EWR'."
                )
            items.append((axis, _unquote(value)))
        return cls(tuple(items))


def _quote(value: str) -> str:
    if value and not any(c in value for c in ' "=\\\n\t'):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _unquote(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    out, chars = [], iter(value[1:-1])
    for char in chars:
        if char != "\\":
            out.append(char)
        else:
            nxt = next(chars, "")
            out.append({"n": "\n", "t": "\t"}.get(nxt, nxt))
    return "".join(out)


def _split(text: str) -> list[str]:
    """Split at blanks outside double quotes."""
    parts, current, quoted, escaped = [], "", False, False
    for char in text:
        if char == " " and not quoted:
            if current:
                parts.append(current)
            current = ""
            continue
        current += char
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
    if current:
        parts.append(current)
    return parts

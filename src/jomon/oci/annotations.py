"""Annotations: texts by key that cannot change, compare equal in any order, hash and pickle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jomon.oci.errors import OciError


class Annotations(Mapping[str, str]):
    """A frozen mapping from key to text, sorted by key.

    >>> Annotations({"b": "2", "a": "1"}) == {"a": "1", "b": "2"}
    True
    """

    __slots__ = ("_items",)
    _items: dict[str, str]

    def __init__(self, items: Mapping[str, Any] | None = None) -> None:
        pairs: dict[Any, Any] = dict(items or {})
        for key, value in pairs.items():
            if not isinstance(key, str) or not isinstance(value, str) or not key:
                raise OciError(
                    f"the annotation {key!r} is {value!r}: write a text under a key that is not empty."
                )
            _require_unicode(key)
            _require_unicode(value)
        self._items = dict(sorted(pairs.items()))

    def __getitem__(self, key: str) -> str:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(tuple(self._items.items()))

    def __eq__(self, other: object) -> bool:
        return dict(other) == self._items if isinstance(other, Mapping) else NotImplemented

    def __repr__(self) -> str:
        return f"Annotations({self._items!r})"

    def with_(self, more: Mapping[str, str]) -> Annotations:
        """These annotations and `more`, which wins."""
        return Annotations({**self._items, **more})

    def without(self, *keys: str) -> Annotations:
        """These annotations less `keys`."""
        return Annotations({key: value for key, value in self._items.items() if key not in keys})


def _require_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise OciError(f"{text!r} is not valid Unicode text.") from None

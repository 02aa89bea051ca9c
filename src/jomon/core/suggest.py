"""A likely correction for a word that is not among the possible ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LIST_AT_MOST = 16
_LONGEST = 200


def nearest(word: str, options: Iterable[str]) -> str | None:
    """The option most like `word`, letters' case aside, or None where none is near.

    >>> nearest("lightgmb", ["linear", "lightgbm"])
    'lightgbm'
    """
    if len(word) > _LONGEST:  # the search takes time that grows with the word
        return None
    folded: dict[str, str] = {}
    for option in options:
        folded.setdefault(option.casefold(), option)
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def ending(word: str, options: Iterable[str], otherwise: str = "") -> str:
    """How a sentence about a wrong word ends: with the near option, or with all of them, or with `otherwise`.

    >>> ending("carier", ["carrier", "origin"]), ending("x", ["carrier", "origin"])
    ("; did you mean 'carrier'?", '; choose from carrier, origin.')
    """
    known = list(dict.fromkeys(options))
    near = nearest(word, known)
    if near is not None:
        return f"; did you mean {near!r}?"
    if otherwise:
        return f"; {otherwise}."
    if known and len(known) <= _LIST_AT_MOST:
        return f"; choose from {', '.join(known)}."
    return "."

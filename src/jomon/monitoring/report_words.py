"""The words of a report of a check: one small table a language, and how numbers are written in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jomon.core.findings import Span
from jomon.core.span_words import LANGUAGES, Lang, day_words, moment_words, span_words
from jomon.monitoring.report_english import ENGLISH
from jomon.monitoring.report_portuguese import PORTUGUESE

TABLES = {"en": ENGLISH, "pt-BR": PORTUGUESE}
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Words:
    """A language and the zone whose clock dates are of."""

    lang: Lang
    zone: str

    def __call__(self, name: str, **given: object) -> str:
        """A text by its name, with what it speaks of; raises KeyError where there is none."""
        return TABLES[self.lang][name].format(**given)

    def get(self, name: str, default: str) -> str:
        """A text by its name, or `default` where this table has none."""
        return TABLES[self.lang].get(name, default)

    def count(self, name: str, number: int) -> str:
        """A number of things; the table has the word for one and for many, split by a bar.

        >>> Words("en", "UTC").count("row", 1), Words("pt-BR", "UTC").count("row", 1200)
        ('1 row', '1.200 linhas')
        """
        one, many = TABLES[self.lang][f"n.{name}"].split("|")
        return f"{self.number(number, 0)} {one if number == 1 else many}"

    def number(self, value: float, digits: int = 1, *, signed: bool = False) -> str:
        """A number with its decimals and a true minus sign.

        >>> Words("en", "UTC").number(-1234.56), Words("pt-BR", "UTC").number(1234.56, signed=True)
        ('−1,234.6', '+1.234,6')
        """
        text = f"{abs(value):,.{digits}f}"
        if any(c in "123456789" for c in text):
            text = (MINUS if value < 0 else "+" if signed else "") + text
        return text.translate(str.maketrans(",.", ".,")) if self.lang == "pt-BR" else text

    def plain(self, value: float, matter: int = 3) -> str:
        """A measured value with about so many digits that matter.

        >>> Words("en", "UTC").plain(0.012345), Words("en", "UTC").plain(56.78), Words("en", "UTC").plain(4096.2)
        ('0.0123', '56.8', '4,096')
        """
        if not math.isfinite(value):
            return str(value)
        size = abs(value)
        digits = 0 if size >= 1000 or not size else max(0, min(matter - 1 - math.floor(math.log10(size)), 6))
        while digits and f"{size:.{digits}f}".endswith("0"):
            digits -= 1
        return self.number(value, digits)

    def share(self, value: float) -> str:
        """A share of one as percent.

        >>> Words("en", "UTC").share(0.0054), Words("pt-BR", "UTC").share(0.5), Words("en", "UTC").share(0.00001)
        ('0.5%', '50%', 'under 0.1%')
        """
        if 0 < value < 0.0005:
            return self("under", value=f"{self.number(0.1)}%")
        rounded = round(100 * value, 1)
        return f"{self.number(rounded, 0 if rounded == int(rounded) else 1)}%"

    def between(self, low: float | None, high: float | None) -> str:
        """The bounds of an interval, or that it is unknown.

        >>> Words("en", "UTC").between(0.1, 0.25), Words("pt-BR", "UTC").between(None, None)
        ('0.10 to 0.25', 'intervalo desconhecido')
        """
        if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
            return self("no_interval")
        digits = self._digits(low, high)
        return self("to", low=self.number(low, digits), high=self.number(high, digits))

    def estimate(self, value: float | None, low: float | None, high: float | None) -> tuple[str, str]:
        """A value and its bounds with equally many decimals; what is unknown is told as unknown."""
        if value is None:
            return self("status.unknown"), ""
        if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
            return self.plain(value), self("no_interval")
        return self.number(value, self._digits(low, high)), self.between(low, high)

    @staticmethod
    def _digits(low: float, high: float) -> int:
        size = (high - low) / 2 or max(abs(low), abs(high)) / 10
        if size <= 0:
            return 0
        digits = max(0, min(1 - math.floor(math.log10(size)), 6))
        while digits and all(f"{one:.{digits}f}".endswith("0") for one in (low, high)):
            digits -= 1
        return digits

    def listed(self, names: Sequence[str], most: int = 4) -> str:
        """Names in a row, the last ones counted where they are many.

        >>> Words("en", "UTC").listed(["a", "b", "c"]), Words("en", "UTC").listed(list("abcdef"))
        ('a, b and c', 'a, b, c and 3 more')
        """
        if len(names) > most:
            rest = self("more", n=len(names) - most + 1)
            names = [*names[: most - 1], rest]
        return (", ".join(names[:-1]) + f" {self('and')} " if len(names) > 1 else "") + "".join(names[-1:])

    def span(self, span: Span) -> str:
        """A window."""
        return span_words(span, self.zone, self.lang)

    def day(self, moment: int) -> str:
        """The day of a moment."""
        return day_words(moment, self.zone, self.lang)

    def moment(self, moment: int) -> str:
        """A moment to the minute."""
        return moment_words(moment, self.zone, self.lang)


def words_in(lang: str, zone: str) -> Words:
    """The words of a language: `en`, `pt-BR` (also `pt`, `pt_BR`); of any other, English.

    >>> words_in("pt_BR.UTF-8", "UTC").lang, words_in("fr", "UTC").lang
    ('pt-BR', 'en')
    """
    wanted = lang.lower().replace("_", "-")
    for known in LANGUAGES:
        if wanted.startswith(known[:2].lower()):
            return Words(known, zone)
    return Words("en", zone)

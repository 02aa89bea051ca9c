"""Spans of time in words, as the people of a zone read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from jomon.core.findings import Span

Lang = Literal["en", "pt-BR"]
LANGUAGES: tuple[Lang, ...] = ("en", "pt-BR")
_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "pt-BR": (
        "segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo",
    ),
}  # fmt: skip
_MONTHS = {
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December",
    ),
    "pt-BR": (
        "janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro",
        "novembro", "dezembro",
    ),
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local(moment: int, zone: str) -> datetime:
    """A moment (microseconds since 1970-01-01 UTC) on the clock of `zone`."""
    return (_EPOCH + timedelta(microseconds=moment)).astimezone(ZoneInfo(zone))


def day_words(moment: int, zone: str, lang: Lang = "en") -> str:
    """The local day of a moment, short.

    >>> day_words(1383890400000000, "America/New_York"), day_words(1383890400000000, "America/Sao_Paulo", "pt-BR")
    ('8 Nov 2013', '8 nov. 2013')
    """
    at = local(moment, zone)
    month = _MONTHS[lang][at.month - 1]
    short = month[:3] + ("." if lang == "pt-BR" and len(month) > 4 else "")
    return f"{at.day} {short} {at.year}"


def moment_words(moment: int, zone: str, lang: Lang = "en") -> str:
    """A moment to the minute.

    >>> moment_words(1383890400000000, "America/New_York")
    '8 Nov 2013 01:00'
    """
    return f"{day_words(moment, zone, lang)} {local(moment, zone):%H:%M}"


def span_words(span: Span, zone: str, lang: Lang = "en") -> str:
    """A window: its day, its days, or its hours.

    >>> span_words(Span(1383886800000000, 1383973200000000), "America/New_York")
    'Friday 8 November 2013'
    >>> span_words(Span(1383886800000000, 1383973200000000), "America/New_York", "pt-BR")
    'sexta-feira, 8 de novembro de 2013'
    >>> span_words(Span(1383886800000000, 1384491600000000), "America/New_York")
    '8 Nov 2013 to 14 Nov 2013'
    >>> span_words(Span(1383886800000000, 1383890400000000), "America/New_York")
    '8 Nov 2013, 00:00 to 01:00'
    """
    start, end = local(span.start, zone), local(span.end, zone)
    to = {"en": "to", "pt-BR": "a"}[lang]
    if (start.hour, start.minute, end.hour, end.minute) == (0, 0, 0, 0):
        days = (end.date() - start.date()).days
        if days == 1:
            return _long(start, lang)
        return f"{day_words(span.start, zone, lang)} {to} {day_words(span.end - 1, zone, lang)}"
    first, last = day_words(span.start, zone, lang), day_words(span.end, zone, lang)
    if first == last:
        return f"{first}, {start:%H:%M} {to} {end:%H:%M}"
    return f"{first}, {start:%H:%M} {to} {last}, {end:%H:%M}"


def when_words(span: Span, zone: str, lang: Lang = "en") -> str:
    """When something happened that was seen in a window, as part of a sentence.

    >>> when_words(Span(1383886800000000, 1383973200000000), "America/New_York")
    'on Friday 8 November 2013'
    >>> when_words(Span(1383886800000000, 1384491600000000), "America/New_York", "pt-BR")
    'de 8 nov. 2013 a 14 nov. 2013'
    """
    text = span_words(span, zone, lang)
    start = local(span.start, zone)
    one_day = text == _long(start, lang)
    if "," not in text and not one_day:
        return {"en": "from", "pt-BR": "de"}[lang] + f" {text}"
    if lang == "en":
        return f"on {text}"
    return f"{('na' if start.weekday() < 5 else 'no') if one_day else 'em'} {text}"


def _long(day: datetime, lang: Lang) -> str:
    name, month = _DAYS[lang][day.weekday()], _MONTHS[lang][day.month - 1]
    if lang == "pt-BR":
        return f"{name}, {day.day} de {month} de {day.year}"
    return f"{name} {day.day} {month} {day.year}"

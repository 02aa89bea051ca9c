"""The frame of the reports escapes what it is given as text, and lets a page load nothing."""

from __future__ import annotations

import doctest
import re
from html.parser import HTMLParser

from jomon.core import html_style
from jomon.core.html_page import header, page, section, table

HOSTILE = "<script>alert('x')</script> & \"quoted\""


def whole() -> str:
    head = header(HOSTILE, HOSTILE, HOSTILE, [("Rows", HOSTILE), ("Empty", "")])
    body = section("one", HOSTILE, HOSTILE, table(HOSTILE, ["", HOSTILE], ["<tr><td>1</td></tr>"]))
    return page(
        HOSTILE, html_style.sheet(html_style.LIGHT, html_style.DARK, "blue"), head, [body, ""], "", "pt-BR"
    )


def test_texts_are_escaped_and_nothing_is_loaded() -> None:
    html = whole()
    assert "<script" not in html
    assert not re.search(r"\b(src|href)=|@import|url\(", html)
    assert "default-src 'none'" in html
    assert '<html lang="pt-BR">' in html


def test_a_page_is_well_formed_and_leaves_out_facts_without_a_value() -> None:
    html = whole()
    assert "Empty" not in html
    assert Balanced.left_open(html) == []


class Balanced(HTMLParser):
    """Keeps the tags that are open."""

    open: tuple[str, ...] = ()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open = (*self.open, tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1] == tag
        self.open = self.open[:-1]

    @classmethod
    def left_open(cls, html: str) -> list[str]:
        parser = cls()
        parser.feed(html)
        return list(parser.open)


def test_light_and_dark_name_the_same_colours_and_rules_use_no_others() -> None:
    assert set(html_style.LIGHT) == set(html_style.DARK)
    sheet = html_style.sheet(html_style.LIGHT, html_style.DARK, "blue")
    assert set(re.findall(r"var\(--([a-z-]+)\)", sheet)) <= set(html_style.LIGHT)


def test_examples_hold() -> None:
    assert doctest.testmod(html_style).failed == 0

"""Pages: the frame, sections and tables of the HTML reports, each one file that loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What a browser lets a page do: show its own style and nothing else, whatever its data says."""


def page(title: str, sheet: str, header: str, sections: Iterable[str], footer: str, lang: str = "en") -> str:
    """One HTML document; `title` is escaped here, all else is HTML, and sections that are empty are left out."""
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(lang)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{sheet}</style>\n</head>\n<body>\n"
        f"{header}\n<main>\n" + "\n".join(one for one in sections if one) + "\n</main>\n"
        f"<footer>{footer}</footer>\n"
        "</body>\n</html>\n"
    )


def header(eyebrow: str, heading: str, question: str, facts: Iterable[tuple[str, str]]) -> str:
    """The head of a page: what kind of page it is, its name, the fleet's question, and facts (name, value) of which
    those without a value are left out; values are escaped here, names of facts are HTML."""
    items = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts if value)
    return (
        f'<header><p class="eyebrow">{escape(eyebrow)}</p><h1>{escape(heading)}</h1>'
        f'<p class="question">{escape(question)}</p><dl class="facts">{items}</dl></header>'
    )


def section(name: str, title: str, words: str, body: str) -> str:
    """A section with a heading and a paragraph; `title` and `words` are escaped here, `body` is HTML."""
    paragraph = f"<p>{escape(words)}</p>" if words else ""
    return f'<section aria-labelledby="{name}-h"><h2 id="{name}-h">{escape(title)}</h2>{paragraph}{body}</section>'


def table(caption: str, head: Sequence[str], rows: Sequence[str], text_columns: int = 0) -> str:
    """A table with a caption and column scopes; `rows` are `<tr>` texts, all else is escaped here.

    The first column heads its row; `text_columns` more columns are aligned as text.
    """
    heads = "".join(
        f'<th scope="col"{" class=text" if i <= text_columns else ""}>{escape(name)}</th>'
        for i, name in enumerate(head)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption, quote=True)}">'
        f"<table><caption><span>{escape(caption)}</span></caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )

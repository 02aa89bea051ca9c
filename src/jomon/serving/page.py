"""The page at `/docs`: one file without any outside part, which reads `/openapi.json` and sends rows.

The browser is told to run this page's own script and nothing else; texts from data are put into it as text.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jomon.serving.reply import Reply, typed_reply


@cache
def page() -> Reply:
    """The page; the same for every server, since it holds nothing of the fleets."""
    folder = files("jomon.serving") / "docs_page"
    html, style, script = (
        (folder / f"page.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    body = html.replace("{style}", style).replace("{script}", script).encode()
    policy = (
        "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "require-trusted-types-for 'script'"
    )
    headers = [
        ("content-security-policy", policy),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    ]
    return typed_reply("text/html; charset=utf-8", body, headers)


def _source(text: str) -> str:
    """How a policy names a text that may be in the page: by its hash."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

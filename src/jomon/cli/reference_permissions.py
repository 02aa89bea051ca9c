"""The page of roles and permissions, made from the table in `core.roles`."""

from __future__ import annotations

from jomon.core.roles import MEANING, PERMISSIONS, Permission


def permissions_lines() -> list[str]:
    """The page in Markdown, without its note: what each permission allows, and which role has which."""
    lines = ["# Roles and permissions", ""]
    lines += [
        "One table for the server, the commands and the dashboard. A key may have several roles, and allows what any",
        "of them allows. Health and readiness need no key, so that a balancer can ask for them.",
        "",
        "| permission | what it allows |",
        "|---|---|",
        *(f"| `{permission}` | {MEANING[permission]} |" for permission in Permission),
        "",
        "| role | " + " | ".join(Permission) + " |",
        "|---|" + "---|" * len(Permission),
    ]
    for role, allowed in PERMISSIONS.items():
        marks = ("yes" if permission in allowed else "" for permission in Permission)
        lines.append(f"| `{role}` | " + " | ".join(marks) + " |")
    return lines

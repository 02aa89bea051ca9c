"""Who may do what: the one table of roles and permissions for server, commands and dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from jomon.core.errors import UnknownNameError
from jomon.core.suggest import ending


class Permission(StrEnum):
    """One kind of act that a role may allow; the values are stable names for routes and pages."""

    PREDICT = "predict"
    OUTCOMES = "outcomes"
    DESCRIBE = "describe"
    VIEW = "view"
    MONITOR = "monitor"
    MAINTAIN = "maintain"
    PROMOTE = "promote"
    APPROVE = "approve"
    KEYS = "keys"


class Role(StrEnum):
    """What a key is for; a key may have several roles, and allows what any of them allows."""

    CALLER = "caller"
    REPORTER = "reporter"
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


MEANING: Mapping[Permission, str] = MappingProxyType(
    {
        Permission.PREDICT: "ask for answers",
        Permission.OUTCOMES: "tell the truth about answers given before",
        Permission.DESCRIBE: "read which fleets there are, what their rows look like, and how to call them",
        Permission.VIEW: "read metrics, images, members and findings",
        Permission.MONITOR: "run checks, and acknowledge and close incidents",
        Permission.MAINTAIN: "refresh fast parts and retrain members",
        Permission.PROMOTE: "publish, promote and roll back images, as far as the policy goes",
        Permission.APPROVE: "approve or refuse what the policy leaves to a person",
        Permission.KEYS: "make and revoke keys",
    }
)
"""What each permission allows, in words."""

_VIEWER = frozenset({Permission.DESCRIBE, Permission.VIEW})
PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.CALLER: frozenset({Permission.PREDICT, Permission.DESCRIBE}),
        Role.REPORTER: frozenset({Permission.OUTCOMES, Permission.DESCRIBE}),
        Role.VIEWER: _VIEWER,
        Role.OPERATOR: _VIEWER | {Permission.MONITOR, Permission.MAINTAIN, Permission.PROMOTE},
        Role.APPROVER: _VIEWER | {Permission.APPROVE},
        Role.ADMIN: frozenset(Permission),
    }
)
"""The table. Health needs no permission: a balancer has no key."""


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """All that any of `roles` allows.

    >>> sorted(permissions_of([Role.CALLER, Role.REPORTER]))
    [<Permission.DESCRIBE: 'describe'>, <Permission.OUTCOMES: 'outcomes'>, <Permission.PREDICT: 'predict'>]
    """
    return frozenset().union(*(PERMISSIONS[role] for role in roles))


def roles_with(permission: str) -> tuple[Role, ...]:
    """The roles that allow a permission, in the order of the table.

    >>> [str(role) for role in roles_with("approve")]
    ['approver', 'admin']
    """
    return tuple(role for role, allowed in PERMISSIONS.items() if permission in allowed)


def parse_role(text: str) -> Role:
    """The role of this name; raises `UnknownNameError` with the likely one."""
    try:
        return Role(text)
    except ValueError:
        raise UnknownNameError(
            f"{text!r} is not a role{ending(text, [role.value for role in Role])}"
        ) from None

"""One table says what each role allows."""

from __future__ import annotations

import pytest

from jomon.core.errors import UnknownNameError
from jomon.core.roles import (
    MEANING,
    PERMISSIONS,
    Permission,
    Role,
    parse_role,
    permissions_of,
    roles_with,
)


def test_every_role_has_a_line_and_every_permission_a_meaning() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert set(MEANING) == set(Permission)


def test_every_permission_is_allowed_by_the_admin_and_no_other_role_makes_keys() -> None:
    assert PERMISSIONS[Role.ADMIN] == set(Permission)
    assert roles_with("keys") == (Role.ADMIN,)


def test_who_operates_does_not_approve_and_who_approves_does_not_operate() -> None:
    operator, approver = PERMISSIONS[Role.OPERATOR], PERMISSIONS[Role.APPROVER]
    assert operator & approver == PERMISSIONS[Role.VIEWER]
    assert Permission.APPROVE in approver - operator
    assert Permission.PROMOTE in operator - approver


def test_callers_and_reporters_read_what_they_need_and_no_metrics() -> None:
    assert PERMISSIONS[Role.CALLER] == {"predict", "describe"}
    assert PERMISSIONS[Role.REPORTER] == {"outcomes", "describe"}


def test_several_roles_allow_what_any_of_them_allows_and_none_allows_nothing() -> None:
    assert permissions_of([Role.CALLER, Role.APPROVER]) == {"predict", "describe", "view", "approve"}
    assert permissions_of([]) == frozenset()


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PERMISSIONS[Role.CALLER] = frozenset(Permission)  # type: ignore[index]


def test_a_role_is_read_by_its_name_and_a_wrong_one_is_told_with_the_likely_one() -> None:
    assert parse_role("viewer") is Role.VIEWER
    with pytest.raises(UnknownNameError, match="did you mean 'viewer'"):
        parse_role("veiwer")
    with pytest.raises(UnknownNameError, match="choose from caller, reporter"):
        parse_role("boss")

"""keys: made, listed and revoked on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jomon.core.keys import parse_key

from .conftest import Run


@pytest.fixture
def project(run: Run, tmp_path: Path) -> Path:
    assert run("init", tmp_path / "shop").status == 0
    return tmp_path / "shop"


def test_a_key_alone_is_on_stdout_once_and_what_it_is_for_on_stderr(run: Run, project: Path) -> None:
    ran = run("keys", "add", "web", "--role", "caller", "--fleet", "sales", "--expires", "90d", "-p", project)
    assert ran.status == 0
    text = ran.out.removesuffix("\n")
    number, secret = parse_key(text) or ("", "")
    assert f"Key {number} of 'web': caller of sales until " in ran.err
    assert secret not in ran.err
    listed = run("keys", "ls", "-p", project)
    assert number in listed.out
    assert secret not in listed.out + run("keys", "ls", "--json", "-p", project).out
    kept = [path.read_bytes() for path in project.rglob("*") if path.is_file()]
    assert all(secret.encode() not in data for data in kept)


def test_as_json_the_key_is_one_fact_among_the_others(run: Run, project: Path) -> None:
    made = run("keys", "add", "a", "--role", "viewer", "--role", "caller", "--json", "-p", project).json
    assert set(made) == {"id", "name", "roles", "fleets", "created", "expires", "key"}
    assert (made["roles"], made["fleets"], made["expires"]) == (["caller", "viewer"], None, None)
    listed = run("keys", "ls", "--json", "-p", project).json
    assert listed == [{k: v for k, v in made.items() if k != "key"} | {"expired": False}]


def test_a_revoked_key_is_not_listed(run: Run, project: Path) -> None:
    ids = [run("keys", "add", n, "--role", "caller", "--json", "-p", project).json["id"] for n in "abc"]
    assert run("keys", "rm", *ids[:2], "-p", project).out.startswith(f"Revoked: {ids[0]} a\n")
    assert [key["id"] for key in run("keys", "ls", "--json", "-p", project).json] == ids[2:]
    ran = run("keys", "rm", ids[0], "-p", project)
    assert (ran.status, ran.out) == (2, "")
    assert "There is no key" in ran.err


def test_an_expired_key_is_marked(run: Run, project: Path) -> None:
    run("keys", "add", "old", "--role", "caller", "--expires", "1d", "-p", project)
    file = project / ".jomon" / "keys.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document["keys"][0] |= {"created": "2020-01-01T00:00:00Z", "expires": "2020-01-02T00:00:00Z"}
    file.write_text(json.dumps(document), encoding="utf-8")
    assert "2020-01-02 00:00 UTC (expired)" in run("keys", "ls", "-p", project).out
    assert run("keys", "ls", "--json", "-p", project).json[0]["expired"] is True


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--role", "callr"], "did you mean 'caller'?"),
        ([], "--role"),
        (["--role", "caller", "--expires", "soon"], "not a duration"),
        (["--role", "caller", "--expires", "0"], "longer than nothing"),
        (["--role", "caller", "--fleet", "sales:latest"], "without a tag"),
    ],
)
def test_a_wrong_wish_is_one_sentence_and_makes_no_key(
    run: Run, project: Path, words: list[str], told: str
) -> None:
    ran = run("keys", "add", "x", *words, "-p", project)
    assert (ran.status, ran.out) == (2, "")
    assert told in ran.err
    assert ran.err.count("\n") == 1
    assert run("keys", "ls", "--json", "-p", project).json == []


def test_a_damaged_key_file_is_told_and_not_taken_for_an_empty_one(run: Run, project: Path) -> None:
    run("keys", "add", "x", "--role", "caller", "-p", project)
    (project / ".jomon" / "keys.json").write_text("{", encoding="utf-8")
    for words in (["ls"], ["add", "y", "--role", "caller"], ["rm", "00000000"]):
        ran = run("keys", *words, "-p", project)
        assert (ran.status, ran.out) == (2, "")
        assert "is damaged" in ran.err

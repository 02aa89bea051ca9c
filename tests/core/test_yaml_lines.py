from __future__ import annotations

import pytest

from jomon.core.errors import SpecError
from jomon.core.yaml_lines import Lines, path_text, plain_scalar, read_yaml


def problem(text: str | bytes) -> str:
    with pytest.raises(SpecError) as caught:
        read_yaml(text, "f.yaml")
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("012", 12),
        ("0o17", 15),
        ("0xff", 255),
        ("-3", -3),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1_000", "1_000"),
        ("2013-11-29", "2013-11-29"),
        ("12:30", "12:30"),
        ("5-9", "5-9"),
        ("9E", "9E"),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    found = plain_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_a_file_that_asks_for_yaml_1_1_is_still_read_as_1_2() -> None:
    assert read_yaml("%YAML 1.1\n---\ncountry: NO\n", "f").tree == {"country": "NO"}


def test_every_key_and_item_has_its_line() -> None:
    lines = read_yaml("a:\n  b: [1,\n      2]\n  c:\n    - x\n    - y: 1\n", "f.yaml").lines
    assert [lines.at(k) for k in ("a", "a.b", "a.b[0]", "a.b[1]", "a.c", "a.c[0]", "a.c[1].y")] == [
        1,
        2,
        2,
        3,
        4,
        5,
        6,
    ]


def test_a_key_that_is_not_there_has_the_line_of_what_would_hold_it() -> None:
    lines = read_yaml("x: 1\na:\n  b: [1]\n", "f.yaml").lines
    assert (lines.at("a.b[7].c"), lines.at("a.z"), lines.at("z")) == (3, 2, 1)
    assert Lines("f").at("anything") == 1
    assert lines.sentence("a.b", "so.") == "f.yaml:3: a.b: so."


def test_quoted_and_tagged_text_stays_text_and_keys_are_text() -> None:
    assert read_yaml("a: '5'\nb: !!str 5\n2013-11-29: x\n7: y\n", "f").tree == {
        "a": "5",
        "b": "5",
        "2013-11-29": "x",
        "7": "y",
    }


def test_anchors_aliases_and_merges_are_fine_and_own_keys_win() -> None:
    text = "base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\nmany: {<<: [*b, {z: 4}]}\nagain: *b\n"
    assert read_yaml(text, "f").tree == {
        "base": {"x": 1, "y": 2},
        "use": {"x": 1, "y": 3},
        "many": {"x": 1, "y": 2, "z": 4},
        "again": {"x": 1, "y": 2},
    }


def test_an_anchor_that_is_used_twice_is_fine() -> None:
    assert read_yaml("a: &x 1\nb: &x 2\nc: *x\n", "f").tree == {"a": 1, "b": 2, "c": 2}


def test_a_key_written_twice_is_told_with_both_lines() -> None:
    document = read_yaml("a: 1\nb: 2\na: 3\n", "f")
    assert document.problems == ((("a",), 3, "the key is written twice, in lines 1 and 3; keep one."),)


def test_a_tag_constructs_nothing_and_is_told() -> None:
    document = read_yaml("a: !!python/object/apply:os.system ['x']\nb: !mine 1\n", "f")
    assert [p[0] for p in document.problems] == [("a",), ("b",)]
    assert "delete it" in document.problems[1][2]


def test_an_alias_inside_itself_is_told() -> None:
    assert "inside what it names" in read_yaml("a: &x [*x]\n", "f").problems[0][2]


def test_a_key_that_is_no_text_is_told() -> None:
    assert "plain text" in read_yaml("? [a]\n: 1\n", "f").problems[0][2]


@pytest.mark.parametrize("text", ["", "# nothing\n", b"", "---\n", "\n\n"])
def test_an_empty_file_is_one_sentence(text: str | bytes) -> None:
    assert problem(text) == "f.yaml:1: (file): the file is empty; start one with 'jomon init'."


def test_bytes_that_are_not_utf8_are_told_with_their_line() -> None:
    assert problem(b"a: 1\nb: \xff\n").startswith(
        "f.yaml:2: (file): the file is not UTF-8 (byte 0xff in place 8)"
    )


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert read_yaml(b"\xef\xbb\xbfa: 1\n", "f").tree == read_yaml("\ufeffa: 1\n", "f").tree == {"a": 1}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: c: d\n", 2, "quotes"),
        ("a:\n\t- b\n", 2, "tab"),
        ("a:\n  b: 1\n\tc: 2\n", 3, "tab"),
        ("a: [1,\nb: 2\n", 3, "begun in line 1"),
        ("a: 'x\n", 2, "begun in line 1"),
        ("a: *nope\n", 1, "alias"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1\nb: \x00\n", 2, "U+0000"),
        ("a: @x\n", 1, "cannot start"),
        ("a: 1\n b: 2\n", 2, "not YAML"),
    ],
)
def test_what_is_not_yaml_is_one_sentence_with_its_line(text: str, line: int, words: str) -> None:
    said = problem(text)
    assert said.startswith(f"f.yaml:{line}: (file): ")
    assert words in said
    assert said.endswith(".")
    assert "\n" not in said


def test_a_file_that_unfolds_without_end_is_refused_quickly() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
    )
    assert "unfolds" in problem(bomb)


def test_a_file_that_nests_without_end_is_refused() -> None:
    assert "nests too deeply" in problem("a: " + "[" * 5000 + "]" * 5000)


def test_the_whole_file_has_a_name_in_messages() -> None:
    assert path_text(()) == "(file)"
    assert path_text(("stages", 1, "estimator")) == "stages[1].estimator"

"""References are read by Docker's rules, and a wrong one is told what would do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.oci.digest import Digest
from jomon.oci.errors import OciError
from jomon.oci.reference import Reference, digest_prefix, referrers_tag

HEX = "3f" * 32


@pytest.mark.parametrize(
    ("text", "repository", "tag", "digest", "canonical"),
    [
        ("flights", "flights", "latest", None, "flights:latest"),
        ("flights:1.0", "flights", "1.0", None, "flights:1.0"),
        ("team/flights:V_1", "team/flights", "V_1", None, "team/flights:V_1"),
        ("a--b__c.d-e", "a--b__c.d-e", "latest", None, "a--b__c.d-e:latest"),
        ("localhost:5000/flights", "localhost:5000/flights", "latest", None, "localhost:5000/flights:latest"),
        ("Registry.example:443/t/f:2", "Registry.example:443/t/f", "2", None, "Registry.example:443/t/f:2"),
        ("[::1]:5000/flights:2", "[::1]:5000/flights", "2", None, "[::1]:5000/flights:2"),
        (f"flights@sha256:{HEX}", "flights", None, HEX, f"flights@sha256:{HEX}"),
        (f"flights:1.0@sha256:{HEX}", "flights", "1.0", HEX, f"flights:1.0@sha256:{HEX}"),
        ("flights@3f3f3f", "flights", None, "3f3f3f", "flights@sha256:3f3f3f"),
        (f"sha256:{HEX}", None, None, HEX, f"sha256:{HEX}"),
        ("sha256:3f3f3f3f", None, None, "3f3f3f3f", "sha256:3f3f3f3f"),
        ("abcdef", "abcdef", "latest", None, "abcdef:latest"),
    ],
)
def test_a_reference_is_read_into_its_parts_and_written_back(
    text: str, repository: str | None, tag: str | None, digest: str | None, canonical: str
) -> None:
    reference = Reference.parse(text)
    assert (reference.repository, reference.tag, reference.digest) == (repository, tag, digest)
    assert str(reference) == canonical
    assert Reference.parse(canonical) == reference


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        (" flights", "without blanks"),
        ("my flights", "without blanks"),
        ("Flights", "'flights' would do"),
        ("Über", "'ber' would do"),
        ("flights__late_", "'flights-late' would do"),
        ("a//b", "is not made of"),
        ("/flights", "is not made of"),
        ("flights/", "is not made of"),
        (":1.0", "is empty before its tag"),
        ("flights:", "is no tag"),
        ("flights:-1", "'1' would do"),
        ("flights:a b".replace(" ", "+"), "'a-b' would do"),
        ("flights:" + "x" * 129, "1 to 128"),
        ("x" * 300, "300 characters"),
        ("flights@sha256:12345", "6 to 64 hexadecimal digits"),
        ("flights@sha512:" + HEX, "begin with sha256:"),
        ("flights@sha256:" + HEX.upper(), "lower case"),
        ("sha256:", "6 to 64 hexadecimal digits"),
        ("@sha256:" + HEX, "is empty before its tag"),
        ("bad_host!:80/flights", "is not made of"),
    ],
)
def test_a_wrong_reference_gets_one_sentence_with_the_rule(text: str, says: str) -> None:
    with pytest.raises(OciError, match=says.replace("+", r"\+")) as error:
        Reference.parse(text)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


@given(st.text(max_size=40))
def test_no_text_makes_the_parser_fail_in_another_way(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except OciError:
        return
    assert Reference.parse(str(reference)) == reference


component = st.from_regex(r"[a-z0-9]{1,4}((\.|_|__|-{1,2})[a-z0-9]{1,4}){0,2}", fullmatch=True)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}", fullmatch=True)


@given(st.lists(component, min_size=1, max_size=3), tags)
def test_every_name_that_the_rules_allow_is_read_back(parts: list[str], tag: str) -> None:
    reference = Reference("/".join(parts), tag)
    assert Reference.parse(str(reference)) == reference


def test_the_registry_is_told_from_the_repository_by_dockers_rule() -> None:
    assert Reference.parse("localhost/flights").registry == "localhost"
    assert Reference.parse("host:5000/flights").registry == "host:5000"
    assert Reference.parse("team/flights").registry is None
    assert Reference.parse("flights").registry is None


def test_only_a_whole_digest_is_a_digest() -> None:
    assert Reference.parse(f"sha256:{HEX}").full_digest == Digest(HEX)
    assert Reference.parse("sha256:3f3f3f3f").full_digest is None


def test_the_head_of_a_digest_is_recognised_from_six_digits_on() -> None:
    assert digest_prefix("3f3f3f") == "3f3f3f"
    assert digest_prefix("sha256:3f3f3f") == "3f3f3f"
    assert digest_prefix("3f3f3") is None
    assert digest_prefix("flights") is None


def test_the_fallback_tag_is_that_of_the_distribution_specification() -> None:
    assert referrers_tag(Digest(HEX)) == f"sha256-{HEX}"
    assert Reference("flights", referrers_tag(Digest(HEX))).tag == f"sha256-{HEX}"


def test_a_reference_needs_a_name_or_a_digest() -> None:
    with pytest.raises(OciError, match="needs a name"):
        Reference(None)
    with pytest.raises(OciError, match="needs a name"):
        Reference(None, "1.0", HEX)


@pytest.mark.parametrize(("tag", "digest"), [("-bad", None), (None, "xyz"), (None, "ABCDEF")])
def test_parts_are_checked_however_a_reference_is_made(tag: str | None, digest: str | None) -> None:
    with pytest.raises(OciError):
        Reference("flights", tag, digest)


def test_a_reference_is_given_another_tag() -> None:
    assert Reference.parse("flights:1.0").with_tag("2.0") == Reference("flights", "2.0")

"""References: how people name an image, with the rules that Docker has for names.

`flights`, `flights:1.0`, `flights@sha256:...`, `sha256:...`, and the first six or more digits of a digest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jomon.oci.digest import Digest
from jomon.oci.errors import OciError

DEFAULT_TAG = "latest"
SHORTEST_PREFIX = 6  # hexadecimal digits: fewer are too likely to fit several images, or to be a name
_NAME_LIMIT = (
    255  # what the distribution specification asks clients to keep, so that registries take the name
)

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_REGISTRY = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])"
    r"(?::[0-9]{1,5})?"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_PREFIX = re.compile(rf"[0-9a-f]{{{SHORTEST_PREFIX},64}}")


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A name of an image: `repository` with a tag or a digest, or a digest (or the head of one) alone.

    `repository` may begin with a registry (`registry.example:5000/team/flights`); `digest` holds 6 to 64
    hexadecimal digits without `sha256:`. `str()` gives the canonical text.

    >>> str(Reference.parse("flights"))
    'flights:latest'
    >>> Reference.parse("flights:1.0").tag
    '1.0'
    """

    repository: str | None
    tag: str | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        if self.repository is not None:
            _check_repository(self.repository)
        elif self.digest is None or self.tag is not None:
            raise OciError("a reference needs a name such as flights, or a digest such as sha256:3f2a91....")
        if self.tag is not None and not _TAG.fullmatch(self.tag):
            raise OciError(_tag_problem(self.tag))
        if self.digest is not None and not _PREFIX.fullmatch(self.digest):
            raise OciError(_digest_problem(self.digest))

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference; raises `OciError` that says which rule it breaks, and a name that would do."""
        if not text.strip():
            raise OciError("the name of the image is empty: write a name such as flights, or flights:1.0.")
        if text != text.strip() or any(char.isspace() for char in text):
            raise OciError(f"{text!r} is no name of an image: write it without blanks.")
        name, at, digest = text.partition("@")
        if at:
            repository, tag = _split_tag(name)
            return cls(repository, tag, _hexadecimal(digest))
        if name.startswith("sha256:"):
            return cls(None, None, _hexadecimal(name))
        repository, tag = _split_tag(name)
        return cls(repository, tag or DEFAULT_TAG)

    @property
    def full_digest(self) -> Digest | None:
        """The digest, where all of its 64 digits are given."""
        return Digest(self.digest) if self.digest is not None and len(self.digest) == 64 else None

    @property
    def registry(self) -> str | None:
        """The registry before the repository, by Docker's rule: it has a dot or a port, or is localhost."""
        head, slash, _ = (self.repository or "").partition("/")
        return head if slash and _is_registry(head) else None

    def with_tag(self, tag: str) -> Reference:
        """The same repository with another tag."""
        return Reference(self.repository, tag)

    def __str__(self) -> str:
        name = (self.repository or "") + (f":{self.tag}" if self.tag else "")
        if self.digest is None:
            return name
        return f"{name}@sha256:{self.digest}" if name else f"sha256:{self.digest}"


def digest_prefix(text: str) -> str | None:
    """The digits, where `text` may be the head of a digest (`3f2a91c0`, `sha256:3f2a91`); None otherwise."""
    digits = text.removeprefix("sha256:")
    return digits if _PREFIX.fullmatch(digits) else None


def referrers_tag(subject: Digest) -> str:
    """The tag under which attachments are listed in a registry that has no referrers API."""
    return f"sha256-{subject.hex}"


def _split_tag(name: str) -> tuple[str, str | None]:
    slash = name.rfind("/")
    colon = name.rfind(":")
    if colon <= slash:
        return name, None
    tag = name[colon + 1 :]
    if not _TAG.fullmatch(tag):
        raise OciError(_tag_problem(tag))
    return name[:colon], tag


def _hexadecimal(text: str) -> str:
    digits = text.removeprefix("sha256:")
    if ":" in digits:
        raise OciError(f"{text!r} is no SHA-256 digest: only digests that begin with sha256: are known.")
    if not _PREFIX.fullmatch(digits):
        raise OciError(_digest_problem(digits))
    return digits


def _is_registry(head: str) -> bool:
    return ("." in head or ":" in head or head == "localhost") and bool(_REGISTRY.fullmatch(head))


def _check_repository(repository: str) -> None:
    if not repository:
        raise OciError("the name of the image is empty before its tag: write a name such as flights:1.0.")
    if len(repository) > _NAME_LIMIT:
        raise OciError(
            f"the name {repository[:20]}... has {len(repository)} characters: {_NAME_LIMIT} are allowed."
        )
    head, *rest = repository.split("/")
    components = rest if rest and _is_registry(head) else [head, *rest]
    for component in components:
        if not _COMPONENT.fullmatch(component):
            raise OciError(_name_problem(repository, component))


def _name_problem(repository: str, component: str) -> str:
    proposal = re.sub(r"[^a-z0-9]+", "-", component.lower()).strip("-")
    rule = "lower-case letters and digits, joined by single dots, underscores or by hyphens"
    hint = f"; {proposal!r} would do" if proposal else ""
    return f"{repository!r} is no name of an image, because {component!r} is not made of {rule}{hint}."


def _tag_problem(tag: str) -> str:
    rule = "1 to 128 letters, digits, underscores, dots and hyphens, and begins with none of the last two"
    proposal = re.sub(r"[^A-Za-z0-9_.-]+", "-", tag).strip("-.")[:128]
    hint = f"; {proposal!r} would do" if proposal and proposal != tag else ""
    return f"{tag!r} is no tag: a tag has {rule}{hint}."


def _digest_problem(digits: str) -> str:
    rule = f"{SHORTEST_PREFIX} to 64 hexadecimal digits in lower case"
    return f"{digits!r} is no digest of an image: write {rule}, as jomon images shows them."

"""What a name may be, and what an entry of the index says of its image by its annotations."""

from __future__ import annotations

from jomon.core.errors import UnknownNameError
from jomon.oci import media
from jomon.oci.descriptor import Descriptor
from jomon.oci.errors import OciError
from jomon.oci.reference import DEFAULT_TAG, Reference


def is_named(entry: Descriptor) -> bool:
    """Whether an entry carries a name."""
    return media.REF_NAME in entry.annotations


def is_attachment(entry: Descriptor) -> bool:
    """Whether an entry is listed only because it is attached to something."""
    return media.SUBJECT in entry.annotations and not is_named(entry)


def split_name(name: str) -> tuple[str, str | None]:
    """Repository and tag of a name in the index; names that other programs wrote may lack the tag."""
    try:
        reference = Reference.parse(name)
    except OciError:
        return name, None
    return reference.repository or name, reference.tag if str(reference) == name else None


def repository_of(entry: Descriptor) -> str | None:
    """The repository of an entry, from its name or as it was when it had one."""
    name = entry.annotations.get(media.REF_NAME)
    return split_name(name)[0] if name else entry.annotations.get(media.REPOSITORY)


def tag_text(name: Reference) -> str:
    """The text under which a name is listed; raises `UnknownNameError` where it has no tag, or a digest."""
    if name.digest is not None or name.repository is None or name.tag is None:
        raise UnknownNameError(
            f"{str(name)!r} cannot be given to an image: write a name and a tag, as in flights:1.0."
        )
    return str(name)


def new_name(name: str | Reference) -> Reference:
    """A name that is about to be given; raises `UnknownNameError` that says which rule it breaks."""
    try:
        reference = name if isinstance(name, Reference) else Reference.parse(name)
    except OciError as error:
        raise UnknownNameError(sentence(error)) from None
    if reference.digest is None and reference.tag is None and reference.repository is not None:
        reference = reference.with_tag(DEFAULT_TAG)
    tag_text(reference)
    return reference


def sentence(error: OciError) -> str:
    """The error's text with a capital at its head."""
    text = str(error)
    return text[:1].upper() + text[1:]

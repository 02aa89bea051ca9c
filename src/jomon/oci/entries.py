"""What stores say about what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jomon.oci.digest import Digest
from jomon.oci.errors import OciError


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One line of `jomon images`.

    `repository` and `tag` are None for an image without a name; `created` is in UTC; `size_bytes` counts the
    manifest, the config and the layers; `members` is None where the image does not say how many it has; `opaque`
    of them are no arrays but objects of a library, which only load if their types are trusted.
    """

    repository: str | None
    tag: str | None
    digest: Digest
    created: datetime | None
    size_bytes: int
    members: int | None
    opaque: int = 0

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "repository": self.repository,
            "tag": self.tag,
            "digest": str(self.digest),
            "created": format_time(self.created) if self.created is not None else None,
            "size_bytes": self.size_bytes,
            "members": self.members,
        } | ({"opaque": self.opaque} if self.opaque else {})


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond where it has one; raises `OciError` for a time without a zone."""
    if moment.tzinfo is None:
        raise OciError(f"the time {moment} has no zone: give one in UTC.")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str | None) -> datetime | None:
    """The time in RFC 3339 as `format_time` writes it; None where there is none that can be read."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None

"""The rules for names: which image a name means, and how naming changes the index. No disk.

An entry of the index carries the full name (`flights:latest`) in `org.opencontainers.image.ref.name`, where
oras and skopeo look for it, and the time of the image in `org.opencontainers.image.created`. A name means
one image. The image that it meant before stays listed, without a name but with its repository, so that it
can be seen and gone back to; only `remove`, and a prune that is asked for untagged images, take it from the
list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property

from jomon.core.errors import MovedError, StoreError, UnknownNameError
from jomon.oci import media
from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest
from jomon.oci.entries import format_time
from jomon.oci.errors import OciError
from jomon.oci.index import Index
from jomon.oci.reference import Reference, digest_prefix
from jomon.store.names import is_attachment, is_named, repository_of, sentence, split_name, tag_text

_SHOWN = 5  # names in a message: more than a reader compares
_SIMILAR = 0.7  # of two names: catches two letters swapped in a short name, not another word


@dataclass(frozen=True)
class Catalog:
    """The entries of a store's index, read as names.

    An image has one entry for each of its names, or a single one without a name. Attachments have an entry
    without a name that carries their subject. Every change gives a new catalog.
    """

    index: Index = field(default_factory=Index)

    @property
    def entries(self) -> tuple[Descriptor, ...]:
        """All entries, oldest first."""
        return self.index.manifests

    @cached_property
    def names(self) -> dict[str, Descriptor]:
        """The entry of each name."""
        return {name: entry for entry in self.entries if (name := entry.annotations.get(media.REF_NAME))}

    def digests(self) -> dict[Digest, None]:
        """Every image and attachment once, in order."""
        return dict.fromkeys(entry.digest for entry in self.entries)

    def images(self) -> Iterator[Descriptor]:
        """The entries that are no attachments."""
        return (entry for entry in self.entries if not is_attachment(entry))

    def names_of(self, digest: Digest) -> list[str]:
        """The names of one image."""
        return [name for name, entry in self.names.items() if entry.digest == digest]

    def attachments(self, subject: Digest) -> list[Descriptor]:
        """The entries attached to `subject`."""
        return [entry for entry in self.entries if entry.annotations.get(media.SUBJECT) == str(subject)]

    def find(self, name: str | Reference) -> Digest:
        """The digest that `name` means; raises `UnknownNameError` with the names that are near."""
        text = str(name)
        if (entry := self.names.get(text)) is not None:
            return entry.digest
        prefix = digest_prefix(text)
        reference = self._parse(name, prefix)
        if reference is not None and reference.digest is not None:
            return self._by_prefix(reference.digest, reference.repository, text)
        if reference is not None and (entry := self.names.get(str(reference))) is not None:
            return entry.digest
        if prefix is not None and any(digest.hex.startswith(prefix) for digest in self.digests()):
            return self._by_prefix(prefix, None, text)
        raise self._unknown(reference, text)

    def name_of(self, name: str | Reference, *, strict: bool = True) -> str:
        """The text under which `name` is listed; where it is not, an error, or if not `strict` no text."""
        text = str(name)
        if text in self.names:
            return text
        reference = self._parse(name, digest_prefix(text))
        if reference is not None and str(reference) in self.names:
            return str(reference)
        if strict:
            raise UnknownNameError(
                f"{text!r} is no name of an image: write a name and a tag, as in flights:1.0."
            )
        return ""

    def with_manifest(
        self,
        manifest: Descriptor,
        names: Sequence[Reference],
        created: datetime,
        subject: Digest | None = None,
    ) -> Catalog:
        """The catalog with an image (or an attachment of `subject`), to which `names` move.

        An image that is listed already keeps the time at which it was first made.
        """
        marks = {media.CREATED: format_time(created)} | ({media.SUBJECT: str(subject)} if subject else {})
        plain = Descriptor(
            manifest.media_type, manifest.digest, manifest.size, marks, artifact_type=manifest.artifact_type
        )
        entries = [
            _completed(entry, manifest, marks) if entry.digest == manifest.digest else entry
            for entry in self.entries
        ]
        if all(entry.digest != manifest.digest for entry in entries):
            entries.append(plain)
        catalog = self._with(entries)
        for name in names:
            catalog = catalog.with_name(manifest.digest, name)
        return catalog

    def with_name(self, digest: Digest, name: Reference) -> Catalog:
        """The catalog in which `name` means `digest`, which is listed."""
        text = tag_text(name)
        if text in self.names and self.names[text].digest == digest and text not in self.doubled():
            return self
        catalog = self.without_name(text) if text in self.names else self
        model = next(entry for entry in catalog.entries if entry.digest == digest)
        named = model.without_annotations(media.REPOSITORY).with_annotations({media.REF_NAME: text})
        kept = [entry for entry in catalog.entries if entry.digest != digest or is_named(entry)]
        return self._with([*kept, named])

    def require(self, names: Iterable[Reference], image: Digest) -> None:
        """Raise `MovedError` where one of `names` does not mean `image`."""
        for name in names:
            text = tag_text(name)
            entry = self.names.get(text)
            if entry is None or entry.digest != image:
                now = "has been taken away" if entry is None else f"has moved to {entry.digest.short}"
                raise MovedError(
                    f"{text} meant {image.short} and {now} meanwhile: nothing was changed, start again from what "
                    "it means now."
                )

    def without_name(self, text: str) -> Catalog:
        """The catalog without a name; its image stays, and remembers whose it was."""
        dropped = [entry for entry in self.entries if entry.annotations.get(media.REF_NAME) == text]
        kept = [entry for entry in self.entries if entry not in dropped]
        for entry in dropped:
            if all(other.digest != entry.digest for other in kept):
                bare = entry.without_annotations(media.REF_NAME)
                repository = repository_of(entry)
                kept.append(bare.with_annotations({media.REPOSITORY: repository}) if repository else bare)
        return self._with(kept)

    def doubled(self) -> tuple[str, ...]:
        """Names that more than one entry carries, as a foreign index may; the last entry counts."""
        carried = Counter(entry.annotations.get(media.REF_NAME) for entry in self.entries)
        return tuple(sorted(name for name, count in carried.items() if name and count > 1))

    def without(self, name: str | Reference | Digest) -> tuple[Catalog, tuple[Digest, ...]]:
        """Take a name away, and the image with its attachments if it was the last; gives what is gone."""
        digest = name if isinstance(name, Digest) else self.find(name)
        names = self.names_of(digest)
        text = "" if isinstance(name, Digest) else self.name_of(name, strict=False)
        if text in names and len(names) > 1:
            return self.without_name(text), ()
        if text not in names and len(names) > 1:
            listed = ", ".join(names[:_SHOWN])
            raise StoreError(
                f"Image {digest.short} has {len(names)} names ({listed}): remove it by each of them."
            )
        gone = self._with_attachments(digest)
        return self._with(entry for entry in self.entries if entry.digest not in gone), gone

    def without_digests(self, digests: Iterable[Digest]) -> Catalog:
        """The catalog less all entries of `digests`."""
        gone = set(digests)
        return self._with(entry for entry in self.entries if entry.digest not in gone)

    def orphans(self) -> tuple[Digest, ...]:
        """Attachments whose subject is not listed (any more)."""
        listed = self.digests()
        subjects = ((entry.digest, entry.annotations.get(media.SUBJECT)) for entry in self.entries)
        known = {str(digest) for digest in listed}
        return tuple(digest for digest, subject in subjects if subject and subject not in known)

    def _with(self, entries: Iterable[Descriptor]) -> Catalog:
        return Catalog(self.index.with_manifests(entries))

    def _with_attachments(self, digest: Digest) -> tuple[Digest, ...]:
        gone = [digest]
        for subject in gone:  # grows while it is walked: an attachment may have attachments
            gone += [
                entry.digest
                for entry in self.attachments(subject)
                if is_attachment(entry) and entry.digest not in gone
            ]
        return tuple(gone)

    @staticmethod
    def _parse(name: str | Reference, prefix: str | None) -> Reference | None:
        try:
            return name if isinstance(name, Reference) else Reference.parse(name)
        except OciError as error:
            if prefix is not None:
                return None
            raise UnknownNameError(sentence(error)) from None

    def _by_prefix(self, prefix: str, repository: str | None, text: str) -> Digest:
        found = [digest for digest in self.digests() if digest.hex.startswith(prefix)]
        if repository is not None:
            found = [digest for digest in found if self._belongs(digest, repository)]
        if len(found) > 1:
            listed = ", ".join(digest.short for digest in found[:_SHOWN])
            raise UnknownNameError(
                f"{text!r} fits {len(found)} images ({listed}): write more digits of the digest."
            )
        if not found:
            raise UnknownNameError(
                f"The store has no image {text!r}: `jomon images` lists those that it has."
            )
        return found[0]

    def _belongs(self, digest: Digest, repository: str) -> bool:
        return any(
            entry.digest == digest and repository_of(entry) in (repository, None) for entry in self.entries
        )

    def _unknown(self, reference: Reference | None, text: str) -> UnknownNameError:
        if not self.names:
            return UnknownNameError(
                f"The store has no image {text!r}, nor any other name: run `jomon build` first."
            )
        near = self._near(reference) if reference is not None else []
        hint = f"did you mean {' or '.join(near)}?" if near else "`jomon images` lists those that it has."
        return UnknownNameError(f"The store has no image {str(reference or text)!r}; {hint}")

    def _near(self, reference: Reference) -> list[str]:
        """Names of the repository that is nearest, those with a similar tag first."""
        repositories = dict.fromkeys(split_name(name)[0] for name in self.names)
        nearest = get_close_matches(reference.repository or "", repositories, n=1, cutoff=_SIMILAR)
        names = [name for name in self.names if split_name(name)[0] in nearest]
        wanted = f"{nearest[0]}:{reference.tag}" if nearest else ""
        return get_close_matches(wanted, names, n=_SHOWN, cutoff=0.0)


def _completed(entry: Descriptor, manifest: Descriptor, marks: Mapping[str, str]) -> Descriptor:
    """An entry as it should be: another program may have listed the image without our marks, or wrongly."""
    right = replace(entry, media_type=manifest.media_type, size=manifest.size)
    return right.with_annotations({**marks, **entry.annotations})

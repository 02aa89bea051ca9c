"""One fleet in one worker: the images it answers with, their batcher and their journal."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

from jomon.core.suggest import ending
from jomon.serving.batcher import Batcher
from jomon.serving.errors import RequestError
from jomon.serving.image import ServedImage
from jomon.serving.journal import Journal
from jomon.serving.rowpath import RowPath
from jomon.serving.tally import Tally


@dataclass(frozen=True)
class _Retiring:
    """An image that was replaced, and what has to be let go when the last request that it answers has ended."""

    image: weakref.ref[ServedImage]
    path: RowPath
    header: int


class Lane:
    """The images of one fleet by the tag they are served under; the first one answers where no version is asked for."""

    def __init__(self, images: list[ServedImage], journal: Journal, batcher: Batcher, tally: Tally) -> None:
        self.fleet = images[0].fleet
        self.journal, self.batcher, self.tally = journal, batcher, tally
        self._images = {version_of(image.reference): image for image in images}
        self._first = version_of(images[0].reference)
        self.image = images[0]
        self._retiring: list[_Retiring] = []

    def __iter__(self) -> Iterator[ServedImage]:
        return iter(self._images.values())

    def version(self, version: str | None) -> ServedImage:
        """The image under a tag or with a digest (or the head of one); raises `RequestError` (404)."""
        if version is None:
            return self.image
        found = self._images.get(version)
        if found is not None:
            return found
        if version.startswith("sha256:") and len(version) >= len("sha256:") + 12:
            for image in self._images.values():
                if image.digest.startswith(version):
                    return image
        raise RequestError(
            404,
            f"The fleet {self.fleet} is not served as {version!r}{ending(version, self.versions)}",
            "unknown",
        )

    @property
    def versions(self) -> list[str]:
        """The tags and digests that `version` knows."""
        return [*self._images, *dict.fromkeys(image.digest for image in self._images.values())]

    def swap(self, image: ServedImage) -> None:
        """Answer with `image` from now on; requests that came before are answered by the image they came to."""
        version = version_of(image.reference)
        old = self._images[version]
        self._images[version] = image
        if version == self._first:
            self.image = image
        if old.journal_header is None:
            old.journal_header = self.journal.declare(old.header())  # a request on its way may need it yet
        self._retiring.append(_Retiring(weakref.ref(old), old.path, old.journal_header))
        self.tally.add("jomon_image_swaps_total")

    @property
    def draining(self) -> int:
        """Images that were replaced and that somebody holds still."""
        return len(self._retiring)

    def sweep(self) -> bool:
        """Let go of what belongs to images that nobody holds any more; whether there were any."""
        retiring, self._retiring = self._retiring, []
        gone: list[_Retiring] = []
        for one in retiring:
            (gone if one.image() is None else self._retiring).append(one)
        # The same image may have come back: then it has the same header.
        used = {image.journal_header for image in self} | {one.header for one in self._retiring}
        for one in gone:
            one.path.forget()
            if one.header not in used:
                self.journal.retire(one.header)
        return bool(gone)

    async def close(self) -> None:
        """Answer what waits, then sync and close the journal."""
        self.batcher.close()
        await asyncio.get_running_loop().run_in_executor(None, self.journal.close)


def version_of(reference: str) -> str:
    """The tag or digest in a reference: `flights:latest` is `latest`, `flights@sha256:...` is `sha256:...`."""
    name, at, digest = reference.partition("@")
    if at:
        return digest
    return name.partition(":")[2] or "latest"

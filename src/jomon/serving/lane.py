"""One fleet in one worker: the images it answers with, their batcher and their journal."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator

from jomon.core.suggest import ending
from jomon.serving.batcher import Batcher
from jomon.serving.errors import RequestError
from jomon.serving.image import ServedImage
from jomon.serving.journal import Journal
from jomon.serving.tally import Tally


class Lane:
    """The images of one fleet by the tag they are served under; the first one answers where no version is asked for."""

    def __init__(self, images: list[ServedImage], journal: Journal, batcher: Batcher, tally: Tally) -> None:
        self.fleet = images[0].fleet
        self.journal, self.batcher, self.tally = journal, batcher, tally
        self._images = {version_of(image.reference): image for image in images}
        self._first = version_of(images[0].reference)
        self.image = images[0]
        self._retiring: list[tuple[weakref.ref[ServedImage], int | None]] = []

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
        self._retiring.append((weakref.ref(old), old.journal_header))
        self.tally.add("jomon_image_swaps_total")

    def sweep(self) -> None:
        """Let go of what belongs to images that nobody holds any more."""
        left = []
        for image, header in self._retiring:
            if image() is not None:
                left.append((image, header))
            elif header is not None:
                self.journal.retire(header)
        self._retiring = left

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

"""A server follows its tags: the image that a tag moved to is read, checked, warmed, and takes over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from jomon.core.errors import JomonError
from jomon.serving.image import ServedImage
from jomon.serving.lane import Lane
from jomon.serving.telling import to_stderr


class ImageSource(Protocol):
    """Where images come from: the store, as serving sees it."""

    def stamp(self) -> object:
        """Something that is another whenever a name may have moved; cheap."""
        ...

    def resolve(self, reference: str) -> str:
        """The digest that a reference means now; raises `UnknownNameError`."""
        ...

    def load(self, reference: str, digest: str) -> ServedImage:
        """The image, every layer checked against its digest, warm; raises `JomonError`."""
        ...


Told = Callable[[str], None]
AGAIN_SECONDS = 10.0
"""How long after a refusal the same names are looked at again: reading and checking a large image takes its time."""


class Follower:
    """Watches the names that one lane serves; `check` runs beside the event loop, in a thread."""

    def __init__(
        self,
        lane: Lane,
        source: ImageSource,
        told: Told = to_stderr,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lane, self._source, self._told, self._steady = lane, source, told, steady
        self._stamp: object = object()
        self._again = float("inf")
        self._said: dict[str, str] = {}

    def check(self) -> list[ServedImage]:
        """Images that are to take over, ready; a name that vanished or an image that is damaged changes nothing."""
        stamp = self._source.stamp()
        if stamp == self._stamp and self._steady() < self._again:
            return []
        found = []
        whole = True
        self._stamp, self._again = stamp, self._steady() + AGAIN_SECONDS
        for image in list(self._lane):
            try:
                digest = self._source.resolve(image.reference)
                if digest == image.digest:
                    continue
                found.append(self._source.load(image.reference, digest))
            except JomonError as error:
                whole = False
                self._tell(image, error)
        if whole:
            self._again = float("inf")
        return found

    def _tell(self, image: ServedImage, error: JomonError) -> None:
        """Once per reference and sentence."""
        if self._said.get(image.reference) != str(error):
            self._said[image.reference] = str(error)
            self._lane.tally.add("jomon_image_refused_total")
            self._told(f"{image.reference} stays as it is ({image.digest[:19]}): {error}")

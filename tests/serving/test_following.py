"""A follower takes an image when its name moved and it can be used, and looks again where it could not."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jomon.core.errors import CorruptError, UnknownNameError
from jomon.core.journal import Kind
from jomon.serving.following import AGAIN_SECONDS, Follower
from jomon.serving.image import ServedImage
from jomon.serving.journal import Journal, payload
from jomon.serving.lane import Lane
from jomon.serving.tally import Tally


class Contexts:
    """What stands for the contexts that an image has met, which it has to be told to forget."""

    def __init__(self) -> None:
        self.forgotten = False

    def forget(self) -> None:
        self.forgotten = True


class Image:
    """An image as a lane and a follower see it."""

    def __init__(self, digest: str, reference: str = "rides:latest") -> None:
        self.fleet, self.reference, self.digest = "rides", reference, digest
        self.journal_header: int | None = None
        self.path = Contexts()

    def header(self) -> dict[str, Any]:
        return {"image": self.digest, "reference": self.reference}


@dataclass
class Store:
    """Names and images in memory."""

    names: dict[str, str]
    damaged: set[str] = field(default_factory=set)
    version: int = 0
    loads: int = 0

    def move(self, reference: str, digest: str) -> None:
        self.names[reference] = digest
        self.version += 1

    def stamp(self) -> object:
        return self.version

    def resolve(self, reference: str) -> str:
        if reference not in self.names:
            raise UnknownNameError(f"There is no {reference}.")
        return self.names[reference]

    def load(self, reference: str, digest: str) -> ServedImage:
        self.loads += 1
        if digest in self.damaged:
            raise CorruptError(f"The blob {digest} is damaged.")
        return cast(ServedImage, Image(digest, reference))


@dataclass
class Watch:
    """A follower, and all that it has to do with."""

    store: Store
    lane: Lane
    told: list[str] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.follower = Follower(self.lane, self.store, self.told.append, lambda: self.now)

    def check(self) -> list[str]:
        found = self.follower.check()
        for image in found:
            self.lane.swap(image)
        return [image.digest for image in found]


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    with Journal.open(tmp_path / "log") as journal:
        yield journal


@pytest.fixture
def watch(journal: Journal) -> Watch:
    return watching(journal, "rides:latest")


def watching(journal: Journal, *references: str) -> Watch:
    images = [cast(ServedImage, Image("aa", reference)) for reference in references]
    lane = Lane(images, journal, cast(Any, SimpleNamespace()), Tally("rides"))
    return Watch(Store(dict.fromkeys(references, "aa")), lane)


def test_an_image_is_taken_once_when_its_name_moves(watch: Watch) -> None:
    assert watch.check() == []
    watch.store.move("rides:latest", "bb")
    assert watch.check() == ["bb"]
    assert watch.lane.image.digest == "bb"
    assert watch.check() == []
    assert watch.store.loads == 1


def test_a_name_that_moves_elsewhere_costs_no_load(watch: Watch) -> None:
    watch.store.move("other:latest", "bb")
    assert watch.check() == []
    assert watch.store.loads == 0


def test_a_damaged_image_is_told_once_and_tried_again_later(watch: Watch) -> None:
    watch.store.damaged.add("bb")
    watch.store.move("rides:latest", "bb")
    for _ in range(5):
        assert watch.check() == []
    assert watch.store.loads == 1
    watch.now = AGAIN_SECONDS
    assert watch.check() == []
    assert watch.store.loads == 2
    assert watch.told == ["rides:latest stays as it is (aa): The blob bb is damaged."]
    watch.store.damaged.clear()
    watch.now = 2 * AGAIN_SECONDS
    assert watch.check() == ["bb"]


def test_another_move_is_looked_at_at_once_after_a_refusal(watch: Watch) -> None:
    watch.store.damaged.add("bb")
    watch.store.move("rides:latest", "bb")
    assert watch.check() == []
    watch.store.move("rides:latest", "cc")
    assert watch.check() == ["cc"]


def test_a_name_that_is_gone_changes_nothing_and_others_are_followed(journal: Journal) -> None:
    watch = watching(journal, "rides:latest", "rides:champion")
    del watch.store.names["rides:latest"]
    watch.store.move("rides:champion", "bb")
    assert watch.check() == ["bb"]
    assert [image.digest for image in watch.lane] == ["aa", "bb"]
    assert watch.told == ["rides:latest stays as it is (aa): There is no rides:latest."]


def test_a_defect_while_loading_is_tried_again(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    load = watch.store.load
    monkeypatch.setattr(watch.store, "load", lambda *_: 1 // 0)
    watch.store.move("rides:latest", "bb")
    with pytest.raises(ZeroDivisionError):
        watch.check()
    monkeypatch.setattr(watch.store, "load", load)
    watch.now = AGAIN_SECONDS
    assert watch.check() == ["bb"]


def test_a_replaced_image_is_let_go_when_nobody_holds_it(watch: Watch) -> None:
    lane = watch.lane
    held, seen = lane.image, weakref.ref(lane.image)
    path = cast(Contexts, held.path)
    watch.store.move("rides:latest", "bb")
    watch.check()
    assert (lane.draining, lane.sweep(), path.forgotten) == (1, False, False)
    del held
    gc.collect()
    assert seen() is None
    assert (lane.sweep(), lane.draining, path.forgotten) == (True, 0, True)


def test_an_image_that_came_back_keeps_the_header_of_its_records(watch: Watch, tmp_path: Path) -> None:
    """Its first life ends after its second began: a new file of the journal must have the header all the same."""
    lane, journal = watch.lane, watch.lane.journal
    first = lane.image
    first.journal_header = journal.declare(first.header())
    journal.write([payload(Kind.OUTCOME, 1)])
    watch.store.move("rides:latest", "bb")
    watch.check()
    watch.store.move("rides:latest", "aa")
    watch.check()
    again = lane.image
    again.journal_header = journal.declare(again.header())
    assert again.journal_header == first.journal_header
    del first
    gc.collect()
    assert lane.sweep()
    assert journal.declare(again.header()) == again.journal_header
    assert journal.declare({"image": "bb", "reference": "rides:latest"}) != 2, (
        "that of the image between is gone"
    )

"""Releases: a tag moves while requests come without pause; damaged and vanished images; what must not start."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jomon.project.home import Home

from .load import calling
from .releases import Releases
from .servers import Server, refused, running


def asking(
    rows: list[dict[str, Any]], seed: int, sizes: tuple[int, ...] = (1, 1, 1, 2, 7, 20)
) -> Callable[[], Any]:
    draw = random.Random(seed)
    return lambda: ("/predict", {"rows": draw.choices(rows, k=draw.choice(sizes))})


def tag(server: Server, image: str) -> None:
    Home(server.home("rides")).images.tag(f"rides:{image}", "rides:latest")


def workers(server: Server) -> list[int]:
    """The processes that answer."""
    return [
        pid
        for pid in server.children()
        if b"multiprocessing-fork" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def mapped(server: Server) -> set[str]:
    """The blobs that any worker has in its memory, by digest."""
    text = "".join(Path(f"/proc/{pid}/maps").read_text() for pid in workers(server))
    return {f"sha256:{blob}" for blob in re.findall(r"/blobs/sha256/([0-9a-f]{64})", text)}


def layers(server: Server, image: str) -> set[str]:
    store = Home(server.home("rides")).images
    manifest = store.manifest(store.resolve(f"rides:{image}"))
    return {str(layer.digest) for layer in manifest.layers}


def flip(path: Path) -> None:
    """Change one byte in the middle of a file, and nothing else that tells of it."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def moved(server: Server, times: int) -> bool:
    """Whether all workers together went over to another image so often, and hold none of the old ones."""
    found = server.metrics()
    went = found.get('jomon_image_swaps_total{fleet="rides"}', 0)
    return (went, found['jomon_images_draining{fleet="rides"}']) == (times, 0)


def resident(server: Server) -> int:
    """Bytes in memory of all workers together."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in workers(server)) * 4096


def test_a_moved_tag_is_followed_under_load_and_no_request_fails_or_mixes_images(releases: Releases) -> None:
    """Eight connections, two workers, five moves: each answer is that of the image it names, and memory comes back."""
    with running(releases.folder, ["rides"], ["--workers", 2]) as server:
        sizes = []
        asks = [asking(releases.rows, seed) for seed in range(7)] + [asking(releases.rows, 7, (300, 3))]
        server.until(partial(started, server, 2), "both workers")
        with calling(server.port, asks) as callers:
            for number, image in enumerate(("two", "one", "two", "one", "two"), start=1):
                tag(server, image)
                server.until(partial(moved, server, 2 * number), "the move")
                sizes.append(resident(server))
            before = len(callers.answered)
            server.until(lambda: len(callers.answered) > before + 200, "answers of the last image")
        assert callers.failed == []
        assert callers.statuses == {200}
        for answered in callers.answered:
            releases.check(answered)
        assert {one.document["image"] for one in callers.answered} == set(releases.digests.values())
        assert {one.document["image"] for one in callers.answered[-50:]} == {releases.digests["two"]}
        assert mapped(server) <= layers(server, "two")
        assert sizes[-1] < sizes[0] + 16e6, sizes


def test_a_damaged_image_is_refused_once_and_the_old_one_stays_also_in_a_new_worker(
    releases: Releases,
) -> None:
    expected = [
        "rides:latest stays as it is",
        "rides:latest was not refreshed",
        "a worker was ended by SIGKILL",
    ]
    with running(releases.folder, ["rides"], expected=expected) as server:
        only = next(iter(layers(server, "two") - layers(server, "one")))
        blob = server.home("rides") / "images" / "blobs" / "sha256" / only.removeprefix("sha256:")
        flip(blob)
        tag(server, "two")
        server.until(lambda: "stays as it is" in server.said(), "the refusal")
        (line,) = [line for line in server.said().splitlines() if "stays as it is" in line]
        assert line.startswith(f"rides:latest stays as it is ({releases.digests['one'][:19]}): ")
        assert server.metrics()['jomon_image_refused_total{fleet="rides"}'] == 1
        assert server.predict("rides", *releases.rows).json["image"] == releases.digests["one"]
        (worker,) = workers(server)
        os.kill(worker, 9)
        server.until(lambda: workers(server) not in ([], [worker]) and server.ready(), "another worker")
        assert server.predict("rides", *releases.rows).json["image"] == releases.digests["one"]
        flip(blob)
        tag(server, "two")
        server.until(partial(moved, server, 1), "the mended image")
        assert server.predict("rides", *releases.rows).json["image"] == releases.digests["two"]


def test_a_tag_that_is_removed_goes_on_being_served(releases: Releases) -> None:
    expected = [
        "rides:latest stays as it is",
        "rides:latest was not refreshed",
        "a worker was ended by SIGKILL",
    ]
    with running(releases.folder, ["rides"], ["--workers", 2], expected=expected) as server:
        server.until(partial(started, server, 2), "both workers")
        Home(server.home("rides")).images.untag("rides:latest")
        server.until(lambda: server.said().count("stays as it is") == 2, "word of it")
        os.kill(workers(server)[0], 9)
        server.until(partial(started, server, 3), "another worker")
        for _ in range(20):
            assert server.predict("rides", *releases.rows).json["image"] == releases.digests["one"]
        tag(server, "two")
        server.until(partial(moved, server, 2), "the tag that came back")
        assert server.predict("rides", *releases.rows).json["image"] == releases.digests["two"]


def started(server: Server, workers: int) -> bool:
    """Whether so many workers were started in all; a worker that was killed takes with it what waited for it."""
    try:
        return server.metrics()["jomon_worker_starts_total"] == workers
    except OSError:
        return False


@pytest.fixture
def copied(releases: Releases, tmp_path: Path) -> Iterator[Path]:
    yield shutil.copytree(releases.folder, tmp_path / "fleets")


def test_a_damaged_image_is_not_served(copied: Path) -> None:
    images = Home(copied / "rides" / ".jomon").images
    for layer in images.manifest(images.resolve("rides:two")).layers:
        blob = copied / "rides" / ".jomon" / "images" / "blobs" / "sha256" / layer.digest.hex
        flip(blob)
        assert layer.digest.short in refused(copied, "rides//rides:two")
        flip(blob)


def test_an_unknown_name_is_not_served(copied: Path) -> None:
    assert "did you mean rides:latest" in refused(copied, "rides//rides:lates")
    assert "sha256:" in refused(copied, "rides//rides@sha256:" + 64 * "a")
    assert "holds no project" in refused(copied, ".")

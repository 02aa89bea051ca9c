"""The folder of a running server: held while it lives, cleared away by the next one when it died."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jomon.serving.run_folder import RunFolder, held

HOLDER = """
import sys
from pathlib import Path
from jomon.serving.run_folder import held
with held(Path(sys.argv[1])) as run:
    run.drain()
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_there_while_it_is_held_and_gone_then(tmp_path: Path) -> None:
    place = tmp_path / "run" / "serve-1"
    with held(place) as run:
        assert run.metrics.is_dir()
        assert not run.draining
        run.drain()
        assert RunFolder(place).draining
    assert not place.exists()


def test_a_server_clears_what_a_killed_one_left_and_spares_one_that_lives(tmp_path: Path) -> None:
    """Process ids say nothing: these folders are named as one that lives and one that never did."""
    dead, alive = tmp_path / f"serve-{os.getpid()}", tmp_path / "serve-999999999"
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDER, dead], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert first.stdout is not None
    with first:
        assert first.stdout.readline() == b"held\n"
        first.kill()
    assert dead.exists()
    with held(alive), held(tmp_path / "serve-new"):
        assert not dead.exists()
        assert alive.exists()


def test_a_folder_without_a_lock_is_what_a_server_left_that_died_early(tmp_path: Path) -> None:
    (tmp_path / "serve-1").mkdir()
    (tmp_path / "other").mkdir()
    with held(tmp_path / "serve-2"):
        assert not (tmp_path / "serve-1").exists()
        assert (tmp_path / "other").exists()


def test_workers_say_that_they_answer_or_why_not_and_what_they_serve(tmp_path: Path) -> None:
    with held(tmp_path / "serve-1") as run:
        assert not run.is_up()
        assert run.silence(os.getpid()) == 0
        run.beat()
        assert run.is_up()
        assert run.is_up(os.getpid())
        assert not run.is_up(1)
        assert 0 < run.silence(os.getpid()) < 1000
        run.let_go(1)
        assert not run.leaving
        run.let_go(os.getpid())
        assert run.leaving
        run.say_failed("The image is damaged.")
        assert run.failure(os.getpid()) == "The image is damaged."
        assert run.failure(1) is None
        run.note_image("rides:latest", "sha256:aa")
        run.note_image("rides@sha256:bb", "sha256:bb")
        run.note_image("rides:latest", "sha256:cc")
        assert (run.image("rides:latest"), run.image("rides@sha256:bb")) == ("sha256:cc", "sha256:bb")
        assert run.image("rides:other") is None


def test_a_worker_of_a_server_whose_folder_is_gone_goes_on(tmp_path: Path) -> None:
    """The next server may clear it while the workers of the one that was killed answer what is in flight."""
    run = RunFolder(tmp_path / "gone")
    run.drain()
    run.beat()
    run.say_failed("why")
    run.note_image("rides:latest", "sha256:aa")
    assert not run.draining
    assert run.image("rides:latest") is None

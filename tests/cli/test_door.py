"""The program itself, as installed: statuses, sentences, what it imports, and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import Run

PROGRAM = Path(sys.executable).with_name("jomon")
HEAVY = ("polars", "deltalake", "lightgbm", "sklearn", "numba", "pandas", "matplotlib", "scipy")


def program(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, cwd=cwd, check=False)


def imported_by(*words: object) -> set[str]:
    """The modules that one command leaves imported."""
    code = (
        "import sys, json\nfrom jomon.cli.main import app\n"
        "try: app(sys.argv[1:])\nexcept SystemExit: pass\n"
        "sys.stderr.write('MODULES' + json.dumps(sorted(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=True
    )
    return set(json.loads(ran.stderr.split("MODULES")[1]))


@pytest.mark.parametrize("words", [["--help"], ["build", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    assert not imported_by(*words) & {*HEAVY, "numpy"}


def test_a_build_with_nothing_changed_imports_no_data_frames_and_no_estimator(copy: Path) -> None:
    assert not imported_by("build", "-p", copy, "--json") & set(HEAVY)


def test_listing_and_tagging_images_import_no_data_frames(copy: Path) -> None:
    assert not imported_by("images", "-p", copy) & set(HEAVY)
    assert not imported_by("tag", "sales", "sales:other", "-p", copy) & set(HEAVY)


def test_the_installed_program_prints_its_version_and_help() -> None:
    assert re.fullmatch(r"jomon \d+\.\d+\.\d+\n", program("--version").stdout)
    shown = program("--help")
    assert shown.returncode == 0
    for verb in ("init", "check", "ingest", "build", "refresh", "images", "inspect", "history", "diff", "tag", "rm",
                 "prune", "verify", "trust", "predict", "route", "evaluate", "demo", "doctor"):  # fmt: skip
        assert f" {verb} " in shown.stdout
    assert program().returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nosuch"], "jomon: No such command 'nosuch'; `jomon --help` shows how."),
        (["build", "--zzz"], "jomon: No such option: --zzz; `jomon build --help` shows how."),
        (["inspect"], "jomon: Missing argument 'REF'; `jomon inspect --help` shows how."),
    ],
)
def test_wrong_use_is_one_sentence_and_status_2(words: list[str], said: str) -> None:
    ran = program(*words)
    assert (ran.returncode, ran.stderr.strip(), ran.stdout) == (2, said, "")


def test_a_traceback_is_shown_with_debug_alone(tmp_path: Path) -> None:
    plain = program("images", "-p", tmp_path / "none")
    assert plain.returncode == 2
    assert "Traceback" not in plain.stderr
    assert plain.stderr.startswith("jomon: ")
    for words in (["--debug", "images"], ["images", "--debug"]):
        assert "Traceback" in program(*words, "-p", tmp_path / "none").stderr


def test_a_reader_that_has_seen_enough_ends_the_program_quietly(built: Path) -> None:
    with subprocess.Popen(
        [PROGRAM, "predict", "sales", built / "sales.csv", "-p", built],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as ran:
        assert ran.stdout is not None
        assert ran.stderr is not None
        ran.stdout.readline()
        ran.stdout.close()
        assert ran.stderr.read() == b""
        assert ran.wait() == 0


SLOW = """
import time
from pathlib import Path

from sklearn.linear_model import Ridge


class Slow(Ridge):
    def fit(self, *rows, **more):
        Path(__file__).with_name("fitting").touch()
        time.sleep(0.1)  # long enough to be interrupted, short enough to be waited for
        return super().fit(*rows)


def slow(**params):
    return Slow()
"""


def test_ctrl_c_says_what_was_kept_and_the_build_goes_on_later(copy: Path) -> None:
    file = copy / "jomon.yaml"
    text = file.read_text(encoding="utf-8")
    fresh = text.replace("{level: [], estimator: linear}", "{level: [], estimator: linear, params: {l2: 3}}")
    stuck = fresh.replace("{level: [shop], estimator: linear,", '{level: [shop], estimator: "models:slow",')
    assert text != fresh != stuck
    file.write_text(stuck, encoding="utf-8")
    (copy / "models.py").write_text(SLOW, encoding="utf-8")
    with subprocess.Popen(
        [PROGRAM, "build", "-p", copy],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as ran:
        deadline = time.monotonic() + 120
        while not (copy / "fitting").exists() and ran.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (copy / "fitting").exists()
        os.killpg(ran.pid, signal.SIGINT)
        _, err = ran.communicate(timeout=60)
    assert ran.returncode == 130
    kept = "fitted members are in the build cache, run the command again to go on"
    assert err.splitlines()[-1] == f"jomon: stopped; {kept}"
    assert "Traceback" not in err
    file.write_text(fresh, encoding="utf-8")
    again = program("build", "-p", copy, "--json")
    assert json.loads(again.stdout)["stages"][0]["cached"] == 1


def test_json_is_alone_on_stdout_and_nothing_is_on_stderr(run: Run, built: Path) -> None:
    for words in (["check"], ["images"], ["inspect", "sales"], ["history", "sales"], ["verify"], ["doctor"]):
        ran = run(*words, "-p", built, "--json")
        json.loads(ran.out)
        assert ran.err == ""

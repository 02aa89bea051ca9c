"""Peers in virtual environments of their own, made from `bench/peers/NAME.txt`, so that their pins never touch ours."""

from __future__ import annotations

import hashlib
import json
import sys
import venv
from pathlib import Path

from bench.common import run, step

HERE = Path(__file__).parent


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment; made, or made anew where its requirements changed."""
    wanted = (HERE / "peers" / f"{name}.txt").read_bytes()
    folder = HERE / f".venv-{name}"
    python, stamp = folder / "bin" / "python", folder / "requirements.sha256"
    digest = hashlib.sha256(wanted + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        with step(f"making the environment of {name}"):
            venv.EnvBuilder(clear=True, with_pip=True).create(folder)
            run([python, "-m", "pip", "install", "--quiet", "-r", HERE / "peers" / f"{name}.txt"])
            stamp.write_text(digest)
    return python


def versions_of(python: Path, *libraries: str) -> dict[str, str]:
    """Versions of libraries in a peer's environment, each under `peer NAME`."""
    code = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    found = json.loads(run([python, "-c", code, *libraries]))
    return {f"peer {name}": version for name, version in found.items()}

"""What every benchmark shares: short and full runs, paired timings, and the JSON file that a result is.

A result file has the shape

    {"id", "work", "date", "machine": {}, "versions": {},
     "results": [{"what", "value", "unit", "low", "high", "n"}],
     "ratios":  [{"against", "value", "low", "high", "n"}]}

where `value` is a median or an estimate and `low` and `high` are its spread or interval (null where there is none).
A ratio is stated so that the mark of `bench.marks` applies to it as it stands.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

JOMON = Path(sys.executable).parent / "jomon"
RESULTS = Path(__file__).parent / "results"
SPREAD = (0.1, 0.5, 0.9)  # quantiles quoted as low, value and high of repeated measurements
Row = dict[str, Any]


def full_run(doc: str | None, argv: Sequence[str] | None = None) -> bool:
    """Whether `--full` was asked for: the run whose figures count. Otherwise a short one, under a minute."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the run whose figures count")
    return bool(parser.parse_args(argv).full)


def spread(what: str, values: Sequence[float] | np.ndarray, unit: str) -> Row:
    """Repeated measurements as one row: median, 10% and 90% quantile, and the raw values."""
    raw = np.asarray(values, np.float64)
    low, middle, high = (float(v) for v in np.quantile(raw, SPREAD))
    return {
        "what": what,
        "value": middle,
        "unit": unit,
        "low": low,
        "high": high,
        "n": len(raw),
        "raw": raw.tolist(),
    }


def single(what: str, value: float, unit: str, n: int = 1) -> Row:
    """One number without a spread."""
    return {"what": what, "value": float(value), "unit": unit, "low": None, "high": None, "n": n}


def estimate(what: str, found: Mapping[str, Any], unit: str, scale: float = 1.0) -> Row:
    """An estimate with its interval, as `jomon evaluate` gives it."""
    scaled = {k: None if found.get(k) is None else float(found[k]) * scale for k in ("value", "low", "high")}
    return {"what": what, **scaled, "unit": unit, "n": int(found.get("rows") or 0)}


def ratio(
    against: str, above: Sequence[float] | np.ndarray, below: Sequence[float] | np.ndarray
) -> dict[str, Any]:
    """The ratios of paired measurements: median, 10% and 90% quantile."""
    each = np.asarray(above, np.float64) / np.asarray(below, np.float64)
    low, middle, high = (float(v) for v in np.quantile(each, SPREAD))
    return {"against": against, "value": middle, "low": low, "high": high, "n": len(each)}


def machine() -> dict[str, Any]:
    """What decides how fast this machine is, without what would name it."""
    return {
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "processor": platform.machine(),
    }


def versions(*libraries: str) -> dict[str, str]:
    """Versions of Python, jomon and these libraries."""
    names = ("jomon", *libraries)
    return {"python": platform.python_version()} | {n: importlib.metadata.version(n) for n in names}


def document(
    name: str,
    work: str,
    versions: Mapping[str, str],
    results: Sequence[Row],
    ratios: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """A result file's content."""
    return {
        "id": name,
        "work": work,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "versions": dict(versions),
        "results": list(results),
        "ratios": list(ratios),
    }


def write(found: Mapping[str, Any], full: bool, folder: Path = RESULTS) -> Path:
    """Write a result to `ID.json` (a short run: `ID-short.json`, which no table quotes) and print it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{found['id']}{'' if full else '-short'}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{found['id']}: {found['work']}")
    for row in found["results"]:
        print(f"  {row['what']:<72} {number(row['value']):>12} {row['unit']} {between(row)}")
    for row in found["ratios"]:
        print(f"  {'ratio: ' + row['against']:<72} {number(row['value']):>12} {between(row)}")
    return path


def number(value: float | None) -> str:
    """A number as people read it: about four digits."""
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def between(row: Mapping[str, Any]) -> str:
    """The spread or interval of a row: (1.2 to 1.4), or nothing."""
    if row.get("low") is None or row.get("high") is None:
        return ""
    return f"({number(row['low'])} to {number(row['high'])})"


def run(command: Sequence[str | Path], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and give what it printed; what it said on stderr is shown if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(
            f"{command} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, but with compiled modules kept on disk, as they are wherever pip installs."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | dict(more or {})


def timed(
    command: Sequence[str | Path], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> tuple[float, str]:
    """The wall seconds of a whole process, start-up included, and what it printed."""
    started = time.perf_counter()
    out = run(command, cwd, env)
    return time.perf_counter() - started, out


def forget(project: Path) -> None:
    """Take away all that builds of a project left: its tables stay."""
    for name in ("images", "cache"):
        shutil.rmtree(project / ".jomon" / name, ignore_errors=True)


def last_json(text: str) -> dict[str, Any]:
    """The JSON object on the last line that a program printed."""
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say on stderr what is being done and how long it took."""
    started = time.perf_counter()
    print(f"... {what}", end="", file=sys.stderr, flush=True)
    yield
    print(f" {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)

"""Install a lock file with pip and say how far it is: a moving line on a terminal, a line now and then elsewhere.

    python scripts/install.py requirements.lock

Run by the Python of the environment to fill. pip's own words are kept in `install.log` there and shown if it fails.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

SECONDS_BETWEEN_LINES = 10.0  # where the output is no terminal
LAST_LINES = 25  # of pip's own words, shown if it fails
PINNED = re.compile(r"^[a-z0-9-]+==\S+", re.MULTILINE)
FOUND = re.compile(
    r"^(?:Collecting |Requirement already satisfied: |Processing (?:\S*/)?)([A-Za-z0-9._]+(?:-[A-Za-z]\w*)*)"
)


class Progress:
    """Says one short line at a time, never more often than is useful."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self.started = self.said = time.monotonic()

    def say(self, text: str, *, end: bool = False) -> None:
        """Show `text`; where there is no terminal only the end and a line now and then."""
        now = time.monotonic()
        line = f"  {text} ({now - self.started:.0f}s)"
        if self.terminal:
            print(f"\r{line[:100]:<100}", end="\n" if end else "", flush=True)
        elif end or now - self.said > SECONDS_BETWEEN_LINES:
            print(line, flush=True)
            self.said = now


def install(lock: Path) -> int:
    """Run pip on `lock`, which pins every package with its hashes; return pip's exit status."""
    total = len(PINNED.findall(lock.read_text(encoding="utf-8")))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
    ]
    command += ["off", "--require-hashes", "--no-deps", "-r", str(lock)]
    progress, found, log = Progress(), 0, Path(sys.prefix) / "install.log"
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip,
    ):
        assert pip.stdout is not None
        for line in pip.stdout:
            kept.write(line)
            if match := FOUND.match(line):
                found += 1
                progress.say(f"{found} of {total} packages: {match[1]}")
            elif line.startswith("Ignoring "):
                total -= 1  # for another platform or version of Python
            elif line.startswith("Installing collected"):
                progress.say(f"{found} of {total} packages are here, unpacking")
    if pip.returncode:
        print("\n" + "\n".join(log.read_text(encoding="utf-8").splitlines()[-LAST_LINES:]), file=sys.stderr)
        print(f"pip could not install {lock}; everything it said is in {log}", file=sys.stderr)
    else:
        progress.say(f"{found} packages of {lock.name} are installed", end=True)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(install(Path(sys.argv[1])))

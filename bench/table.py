"""The table of all results: marks beside what was measured, missed marks said as missed.

    python -m bench.table          writes it into docs/benchmarks.md from bench/results/*.json
    python -m bench.table --check  only says whether the page is up to date (status 1 if not)

Short runs are never quoted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.common import RESULTS, between, number
from bench.marks import MARKS, Check, Mark, name_of

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
HEAD = ("id", "work", "against", "mark", "result", "reached")


def table(marks: Iterable[Mark], found: Mapping[str, Mapping[str, Any]]) -> str:
    """The table as Markdown; `found` are result files by id."""
    lines = [_line(HEAD), _line("---" for _ in HEAD)]
    lines += [_line(cells(mark, found.get(mark.id))) for mark in marks]
    return "\n".join(lines) + "\n" + _machines(found.values())


def cells(mark: Mark, found: Mapping[str, Any] | None) -> tuple[str, ...]:
    """One line: what is declared, what was measured, and whether the mark is reached."""
    declared = (mark.id, mark.work, mark.against, mark.mark)
    if found is None:
        return (*declared, "not measured yet", "")
    held = [(check, row, check.holds(row)) for check in mark.checks for row in check.rows(found)]
    missing = [check for check in mark.checks if not check.rows(found)]
    if not mark.checks:
        rows = [_said(row) for row in found["ratios"] or found["results"]]
        return (*declared, "<br>".join(rows), "no check is declared")
    shown = list(dict.fromkeys(_said(row) for _, row, _ in held))
    shown += [f"nothing is called {check.pattern!r}" for check in missing]
    return (*declared, "<br>".join(shown), _reached(mark, held, missing))


def _reached(mark: Mark, held: list[tuple[Check, Mapping[str, Any], bool]], missing: list[Check]) -> str:
    failed = list(dict.fromkeys(name_of(row) for _, row, good in held if not good))
    if not failed and not missing:
        return "yes"
    which = [*failed, *(check.pattern for check in missing)]
    return f"**missed**: {'; '.join(which)}. {mark.reason or 'The reason is not known yet.'}"


def _said(row: Mapping[str, Any]) -> str:
    unit = row.get("unit")
    return " ".join(p for p in (f"{name_of(row)}: {number(row['value'])}", unit, between(row)) if p)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _machines(found: Iterable[Mapping[str, Any]]) -> str:
    """One line for each machine and the results that it gave."""
    by_machine: dict[str, list[str]] = {}
    for each in found:
        machine = each["machine"]
        memory = f"{machine['memory_bytes'] / 2**30:.0f} GiB"
        said = f"{machine['cores']} cores, {memory}, {machine.get('processor', 'unknown')}"
        by_machine.setdefault(said, []).append(f"{each['id']} ({each['date']})")
    return "".join(
        f"\nMeasured on {said}: {', '.join(sorted(ids))}.\n" for said, ids in sorted(by_machine.items())
    )


def read_results(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Result files of full runs, by id; a file that says less than it must is refused with its name."""
    out = {}
    for path in sorted(folder.glob("*.json")):
        if path.stem.endswith("-short"):
            continue
        found = json.loads(path.read_text())
        lacking = [
            key
            for key in ("id", "work", "date", "machine", "versions", "results", "ratios")
            if key not in found
        ]
        if lacking or found["id"] != path.stem:
            raise SystemExit(f"{path} lacks {', '.join(lacking) or 'its own id'}; run its benchmark again.")
        out[found["id"]] = found
    return out


def with_table(page: str, written: str) -> str:
    """The page with the table between its two marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the page has no lines {BEGIN} and {END}; put them where the table belongs.")
    return f"{before}{BEGIN}\n\n{written}\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    page = PAGE.read_text()
    new = with_table(page, table(MARKS, read_results()))
    if check:
        print("up to date" if new == page else "not up to date; run `python -m bench.table`")
        return int(new != page)
    PAGE.write_text(new)
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

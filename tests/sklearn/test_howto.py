"""The how-to page is true: its examples run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "scikit-learn.md"


def test_the_examples_of_the_page_run_and_the_stage_by_shop_pays(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 2
    names = {"folder": tmp_path, "print": lambda *_: None}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["fleet"].fleet_.stages[1]["verdict"] == "accepted"

"""The example of docs/why.md runs and says what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "why.md"


def test_the_example_of_the_page_names_the_night_shift(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    exec(compile(example, str(PAGE), "exec"), {})
    said = capsys.readouterr().out
    assert "“shift = night” went from" in said
    assert "such rows were harder all along" in said

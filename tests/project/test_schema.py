"""The JSON Schema that editors complete from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cauce.core.registry import TASKS, task
from cauce.core.specs import File
from cauce.project import json_schema
from cauce.project.keys import place
from cauce.project.references import LOSSES
from cauce.project.schema import text

COMMITTED = Path(__file__).parents[2] / "docs" / "cauce.schema.json"


def test_the_committed_schema_is_current() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == text(), "run `python -m cauce.project.schema`"


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["additionalProperties"] is False
    assert schema["properties"]["models"]["additionalProperties"] is False
    assert schema["$defs"]["ModelSpec"]["properties"]["task"]["enum"] == list(TASKS)
    assert "$id" not in schema


def test_every_key_says_what_it_means_and_what_is_valid() -> None:
    def walk(path: tuple[str, ...]) -> None:
        here = place(path)
        assert here is not None
        for key in here.keys:
            below = place((*path, key))
            assert below is not None
            assert below.meaning, (*path, key)
            assert below.valid(), (*path, key)
            walk((*path, key))
        if here.open:
            walk((*path, "anything"))

    for section in File.model_fields:
        walk((section,))


@pytest.mark.parametrize(
    ("path", "valid"),
    [
        (("models", "m", "task"), "one of classify, regress"),
        (("models", "m", "split", "folds"), "a whole number, at least 2 and at most 20"),
        (("audit", "checks", "x", "severity"), "one of info, warn, block, off"),
        (("models", "m", "features", 0), "text between quotes"),
        (("renew", "cool_down"), 'a duration such as "30s", "10m", "1.5h" or "2d"'),
    ],
)
def test_what_is_valid_is_said_in_words(path: tuple[str, ...], valid: str) -> None:
    here = place(path)
    assert here is not None
    assert here.valid() == valid


def test_importing_the_room_is_light() -> None:
    heavy = "numpy pandas pyarrow duckdb ibis sklearn mlflow fastapi lightgbm deltalake"
    code = f"import sys, cauce.project; sys.exit(' '.join(set('{heavy}'.split()) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    # core.artefacts needs numpy for its types, not at run time; what counts is that nothing else comes along.
    assert done.stderr.strip() in {"", "numpy"}


def test_the_losses_that_the_file_may_name_are_those_of_each_task() -> None:
    assert set(LOSSES) == set(TASKS)
    for name, known in LOSSES.items():
        assert known == task(name).losses_known


def test_a_word_may_stand_for_a_table() -> None:
    here = place(("models", "anything", "reduce"))
    assert here is not None
    assert here.valid() == "one of auto, always, off, or a table of keys"
    keep = place(("models", "anything", "reduce", "keep"))
    assert keep is not None
    assert keep.valid() == "a number, over 0 and under 1"

"""A project's own Python and SQL: what they raise is told, what they print corrupts no answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cauce.core.errors import UserError
from cauce.data.statements import check_statement

TOML = """
[project]
name = "school"
[audit]
own = ["checks.py"]
[data.rows]
source = "rows.csv"
key = "id"
prepare = ["prepare.py:same"]
rows = ["features.py"]
"""
FILES = {
    "prepare.py": "def same(source):\n    return source\n",
    "features.py": "import pyarrow.compute as pc\ndef twice(a):\n    return pc.multiply(a, 2)\n",
    "checks.py": "from cauce.audit import own_check\n@own_check('mine')\ndef mine(context):\n    return None\n",
}


def audited(folder: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    (folder / "cauce.toml").write_text(TOML)
    (folder / "rows.csv").write_text("id,a\n" + "".join(f"{i},{i % 7}\n" for i in range(300)))
    for name, text in FILES.items():
        (folder / name).write_text(changed.get(name.removesuffix(".py"), text))
    command = [sys.executable, "-m", "cauce", "audit", "rows", "--json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("prepare", "import sys\nsys.exit(0)\ndef same(source):\n    return source\n", 2),
        ("prepare", "import sys\ndef same(source):\n    sys.exit(0)\n", 3),
        ("features", "import sys\nsys.exit(0)\ndef twice(a):\n    return a\n", 2),
        ("features", "import sys\ndef twice(a):\n    sys.exit(0)\n", 3),
    ],
)
def test_code_that_exits_is_an_error_with_its_line_and_no_success(
    tmp_path: Path, file: str, text: str, line: int
) -> None:
    done = audited(tmp_path, **{file: text})
    assert done.returncode == 2, done.stderr
    assert f"{file}.py:{line}" in done.stderr
    assert "SystemExit" in done.stderr
    assert json.loads(done.stdout)["exit_code"] == 2


@pytest.mark.slow
def test_a_check_that_exits_is_told_and_the_audit_goes_on(tmp_path: Path) -> None:
    text = "import sys\nfrom cauce.audit import own_check\n@own_check('mine')\ndef mine(context):\n    sys.exit(0)\n"
    done = audited(tmp_path, checks=text)
    assert done.returncode == 0, done.stderr
    assert "own_check_failed" in done.stdout
    assert "checks.py:5" in done.stdout
    assert json.loads(done.stdout)


@pytest.mark.slow
def test_what_code_prints_is_no_part_of_the_answer(tmp_path: Path) -> None:
    noise = {
        name.removesuffix(".py"): "print('NOISE' * 1000)\n"
        + text.replace(":\n    return", ":\n    print('NOISE'); return")
        for name, text in FILES.items()
    }
    done = audited(tmp_path, **noise)
    assert done.returncode == 0, done.stderr
    assert "NOISE" not in done.stdout
    assert done.stderr.count("NOISE") > 3000
    assert json.loads(done.stdout)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM (WITH secret AS (SELECT 1 AS a) SELECT * FROM secret) x, secret",
        'SELECT * FROM (WITH "x.csv" AS (SELECT 1 AS a) SELECT * FROM "x.csv") a, "x.csv" b',
        "WITH a AS (SELECT * FROM b), b AS (SELECT 1 FROM source) SELECT * FROM a",
        "WITH a AS (SELECT * FROM a) SELECT * FROM a",
        "SELECT (WITH inner_one AS (SELECT 1 AS a) SELECT a FROM inner_one) FROM inner_one",
    ],
)
def test_a_with_hides_no_table_beyond_its_reach(sql: str) -> None:
    with pytest.raises(UserError, match="other than `source`"):
        check_statement(sql, "p.sql")


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (SELECT * FROM source), b AS (SELECT * FROM a) SELECT * FROM b JOIN a USING (id)",
        "WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 9) SELECT * FROM s",
        "WITH a AS (SELECT * FROM source) SELECT * FROM source WHERE id IN (SELECT id FROM a)",
        "WITH a AS (SELECT * FROM source) SELECT * FROM a UNION ALL SELECT * FROM a",
        "WITH a AS (SELECT * FROM source) SELECT * FROM (WITH b AS (SELECT * FROM a) SELECT * FROM b)",
        "SELECT age(day, born) AS age FROM source",
    ],
)
def test_a_with_is_seen_where_sql_sees_it(sql: str) -> None:
    check_statement(sql, "p.sql")


def test_every_function_of_duckdb_that_is_not_the_same_each_time_is_refused() -> None:
    import duckdb

    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
    names = {name for (name,) in duckdb.execute(query).fetchall()} | {"age"}
    assert len(names) > 25
    for name in names - {"error"}:  # always the same: it ends the load
        with pytest.raises(UserError):
            check_statement(f"SELECT {name}(a) FROM source", "p.sql")


def test_every_table_function_of_duckdb_but_those_of_numbers_is_refused() -> None:
    import duckdb

    kinds = "('table', 'table_macro', 'pragma')"
    query = f"SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN {kinds}"
    names = {name for (name,) in duckdb.execute(query).fetchall()} - {"unnest", "range", "generate_series"}
    assert len(names) > 50
    for name in names:
        with pytest.raises(UserError):
            check_statement(f"SELECT * FROM {name}('a')", "p.sql")

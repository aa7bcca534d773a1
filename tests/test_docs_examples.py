"""What the pages print holds: the loader reads every piece of a cauce.toml, examples give what stands below them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import pyarrow as pa
import pyarrow.csv
import pytest

from cauce import Loop, load_project
from cauce.core.artefacts import Rung, RungWhy, Trial
from cauce.core.specs import ModelSpec

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DATA = ROOT / "docs" / "data.md"
CHECKS = ROOT / "docs" / "checks.md"


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def pieces() -> list[tuple[str, str]]:
    """Every piece of a cauce.toml, with its page."""
    return [(page.name, block) for page in PAGES for block in blocks(page, "toml")]


def completed(piece: str) -> str:
    """The piece with what it leaves out: the project's name, models that own its tables, data sets that it names."""
    read = tomllib.loads(piece)
    for model in [name for name, keys in read.get("models", {}).items() if "data" not in keys]:
        piece = f'[models.{model}]\ntask = "classify"\ndata = "rows"\ntarget = "{model}"\n\n{piece}'
        read = tomllib.loads(piece)
    there = read.get("data", {})
    named = {model["data"] for model in read.get("models", {}).values()}
    named |= {other for spec in there.values() for other in spec.get("join", {})}
    others = "".join(f'\n[data.{name}]\nsource = "{name}.csv"\ntime = "at"\n' for name in sorted(named - set(there)))
    return ("" if "project" in read else '[project]\nname = "p"\n') + piece + others


@pytest.mark.parametrize(("page", "piece"), pieces())
def test_every_key_on_a_page_is_one_that_the_file_takes(page: str, piece: str, tmp_path: Path) -> None:
    (tmp_path / "cauce.toml").write_text(completed(piece), encoding="utf-8")
    if "[audit]" in piece:
        (tmp_path / "checks.py").write_text(blocks(CHECKS, "python")[0], encoding="utf-8")
    file = load_project(tmp_path / "cauce.toml", {}).file
    assert file.data or file.audit.checks or "[serve]" in piece or "[alert" in piece, page


def test_the_example_of_the_data_page_gives_the_snapshot_printed_there(tmp_path: Path) -> None:
    from cauce import data
    from cauce.loop.check import check
    from cauce.loop.load import load

    example = DATA.read_text(encoding="utf-8").partition("\n## From the source")[0]
    for file, text in re.findall(r"^```\w+\n(?:#|--) (\S+\.\w+)\n(.*?)^```", example, flags=re.DOTALL | re.MULTILINE):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    loop = Loop(load_project(tmp_path / "cauce.toml", {}))
    assert check(loop) == ()
    load(loop, "payments")
    load(loop, "enrolments")
    shown = next(block for block in blocks(DATA, "text") if block.startswith("id,student,day,year"))
    wanted = pyarrow.csv.read_csv(pa.BufferReader(shown.encode()))
    found = data.read(loop.state.lake, "enrolments")
    assert found.column_names == wanted.column_names
    for name in wanted.column_names:
        assert [str(value) for value in found.column(name)] == [str(value) for value in wanted.column(name)]


def test_the_check_of_the_checks_page_finds_a_refund_above_the_price(tmp_path: Path) -> None:
    from cauce.loop.audit import audit
    from cauce.loop.load import load

    (tmp_path / "checks.py").write_text(blocks(CHECKS, "python")[0], encoding="utf-8")
    rows = pa.table({"price": [100.0] * 30, "refund": [0.0] * 27 + [104.0, 106.0, 107.0]})
    pyarrow.csv.write_csv(rows, tmp_path / "orders.csv")
    (piece,) = (block for block in blocks(CHECKS, "toml") if "own = " in block)
    text = f'[project]\nname = "p"\n\n[data.orders]\nsource = "orders.csv"\n\n{piece}'
    (tmp_path / "cauce.toml").write_text(text, encoding="utf-8")
    loop = Loop(load_project(tmp_path / "cauce.toml", {}))
    (found,) = audit(loop, load(loop, "orders")).blocking
    assert (found.code, found.rows) == ("refund_over_price", (28, 29))


def test_the_choosing_page_names_every_field_of_the_record_and_every_reason() -> None:
    page = (ROOT / "docs" / "choosing.md").read_text(encoding="utf-8")
    known = {field.name for kind in (Rung, Trial) for field in fields(kind)} - {"name", "title", "detail", "number"}
    known |= {*get_args(RungWhy), *get_args(get_type_hints(Trial)["outcome"])}
    known |= {"seconds", "budget_s", "trials", "units_for_twice_margin", "reason"}
    assert {name for name in known if not re.search(rf"`(?:choice\.)?{name}`", page)} == set()


def test_the_keys_of_choosing_are_those_of_a_model_with_their_defaults() -> None:
    table = (
        (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").partition("## Keys of choosing")[2].partition("\n## ")[0]
    )
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in table.splitlines() if line.startswith("| `")]
    told = {key: default for keys, default in rows for key in re.findall(r"`(\w+)`", keys)}
    assert set(told) <= set(ModelSpec.model_fields)
    assert set(told) >= {"budget", "trials", "search", "must_use", "interpretable", "max_latency_ms", "weight", "costs"}
    for key in ("search", "interpretable"):
        assert str(ModelSpec.model_fields[key].default).lower() == told[key].strip("`")
    assert not any(ModelSpec.model_fields[key].default for key, default in told.items() if default == "none")

"""`cauce init`: a folder to start from, either the example `academy` or a task's own tiny data set."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from cauce.core.errors import UserError
from cauce.core.names import check_name
from cauce.core.registry import task as task_named

EXAMPLES = ("academy",)

TEMPLATE = """\
# {name}: check it with `cauce check`, run it with `cauce up`. Every key stands in docs/cauce.schema.json.

[project]
name = "{name}"
language = "{language}"

[data.rows]
source = "data/rows.csv"

[models.first]
task = "{task}"
data = "rows"
target = "{target}"
"""


def init(name: str, parent: Path, *, task: str = "classify", language: str = "en") -> Path:
    """Make the folder `parent / name` and return it.

    Parameters
    ----------
    name
        ``academy`` copies the example; any other name gets a template with the task's own tiny data set.

    Raises
    ------
    UserError
        The folder is there already and not empty, or the name is not one.
    """
    folder = parent / check_name(name, where="cauce init")
    if folder.exists() and any(folder.iterdir()):
        raise UserError("is there already and not empty", where=str(folder), hint="Choose another name.")
    if name in EXAMPLES:
        _copy_example(name, folder)
    else:
        _write_template(name, folder, task=task, language=language)
    return folder


def _copy_example(name: str, folder: Path) -> None:
    with as_file(files("cauce") / "examples" / name) as source:
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "__init__.py", ".cauce")
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=ignored)


def _write_template(name: str, folder: Path, *, task: str, language: str) -> None:
    import pyarrow.csv

    example = task_named(task, where="cauce init --task").example()
    (folder / "data").mkdir(parents=True)
    pyarrow.csv.write_csv(example.table, folder / "data" / "rows.csv")
    text = TEMPLATE.format(name=name, task=task, target=example.spec.target, language=language)
    (folder / "cauce.toml").write_text(text, encoding="utf-8")

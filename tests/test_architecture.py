"""The house rules, held by a test: which room may use which library, and who may import whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "cauce"

ROOMS = sorted(path.name for path in SOURCE.iterdir() if path.is_dir() and (path / "__init__.py").exists())
SHARED = {"core", "evidence", "ledger", "profile", "rows"}
JOINERS = {"loop", "cli", "testing", "__main__", "__init__", "terminal"}

# Library → rooms (or single files, as room/file) that may import it. A library that stands nowhere here is refused.
LIBRARIES: dict[str, set[str]] = {
    "cyclopts": {"cli", "__main__"},
    "rich": {"terminal"},
    "pydantic": {"core", "project", "serve"},
    "pydantic_core": {"project"},
    "orjson": {"client", "data", "ledger", "loop", "serve", "terminal"},
    "httpx": {"client"},
    "ibis": {"data"},
    "duckdb": {"data"},
    "sqlglot": {"data"},
    "python_calamine": {"data"},
    "adbc_driver_manager": {"data"},
    "gcsfs": {"data"},
    "aiohttp": {"data"},
    "google": {"data"},
    "deltalake": {"data", "ledger"},
    "pyarrow": {"core", "data", "profile", "rows", "audit", "fairness", "tasks", "select", "track", "ledger", "watch",
                "rehearse", "export/evidently.py", "loop", "testing"},
    "numpy": {"core", "data", "profile", "rows", "audit", "evidence", "fairness", "tasks", "select", "reduce", "track",
              "ledger", "watch", "renew", "rehearse", "loop", "testing"},
    "scipy": {"evidence", "tasks", "audit", "watch", "reduce"},
    "sklearn": {"tasks", "audit", "reduce"},
    "lightgbm": {"tasks", "audit", "reduce", "watch"},
    "optuna": {"select/tune.py"},
    "numba": {"reduce"},
    "fairlearn": {"fairness"},
    "datasketches": {"profile"},
    "mlflow": {"track"},
    "sqlalchemy": {"track"},
    "alembic": {"track"},
    "pandas": {"track"},
    "evidently": {"export/evidently.py"},
    "yaml": {"export/prometheus.py"},
    "fastapi": {"serve"},
    "starlette": {"serve"},
    "uvicorn": {"serve"},
    "anyio": {"serve"},
    "prometheus_client": {"serve"},
    "opentelemetry": {"serve/traces.py"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
}  # fmt: skip

STANDARD = set(__import__("sys").stdlib_module_names) | {"__future__"}


def modules() -> list[Path]:
    """Every module of the package but the examples, which users copy."""
    return sorted(path for path in SOURCE.rglob("*.py") if "examples" not in path.parts)


def room_of(path: Path) -> str:
    """The room of a module, or its stem where it lies beside the rooms."""
    parts = path.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Module name, line, and whether the import runs when the file is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_type_checking(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, id(node) not in lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "cauce" else [node.module]
            yield from ((name, node.lineno, id(node) not in lazy) for name in names)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_library_is_used_in_its_rooms_alone(path: Path) -> None:
    room = room_of(path)
    for name, line, _ in imports(path):
        library = name.partition(".")[0]
        if library in STANDARD or library == "cauce":
            continue
        assert library in LIBRARIES, f"{path}:{line} imports {library}, which no room has"
        places = {room, path.relative_to(SOURCE).as_posix()}
        assert places & LIBRARIES[library], f"{path}:{line}: {library} belongs to {sorted(LIBRARIES[library])}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_rooms_do_not_know_each_other(path: Path) -> None:
    room = room_of(path)
    if room in JOINERS:
        return
    for name, line, _ in imports(path):
        parts = name.split(".")
        if parts[0] != "cauce" or len(parts) < 2:
            continue
        allowed = {"core"} if room in SHARED else {room, *SHARED}
        allowed |= {room}
        assert parts[1] in allowed or parts[1] == "__version__", f"{path}:{line}: {room} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_pickle_is_written_or_read(path: Path) -> None:
    for name, line, _ in imports(path):
        assert name.partition(".")[0] not in {"pickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}, (
            f"{path}:{line} imports {name}"
        )


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_fit_in_the_head(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400, f"{path} has {text.count(chr(10))} lines: is it still one idea?"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - _end_of_docstring(node)
            assert size <= 60, f"{path}:{node.lineno} {node.name} has {size} lines"


def _end_of_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The line after which a function's own work begins."""
    documented = ast.get_docstring(node) is not None
    return (node.body[0].end_lineno or node.lineno) if documented else node.lineno - 1


def test_every_room_says_why_it_exists() -> None:
    for room in ROOMS:
        tree = ast.parse((SOURCE / room / "__init__.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{room}/__init__.py has no docstring"


def test_architecture_page_names_every_module() -> None:
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    for path in modules():
        if path.name != "__init__.py":
            assert path.name in page, f"docs/architecture.md does not name {path.relative_to(SOURCE)}"

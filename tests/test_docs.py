"""The documentation does what it says: links lead somewhere, requests of docs/http.md get the answers beside them."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow.csv
import pytest
from cyclopts import App

from e2e.school import TOML, students

ROOT = Path(__file__).parents[1]
HTTP = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*/README.md")])


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What a link into a page may name after `#`: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(found), f"{page.name}: {link}: no such heading"


class Example(NamedTuple):
    """A request of docs/http.md and what is printed below it."""

    shell: str
    kind: str
    status: int
    keys_alone: bool
    answer: str


def examples() -> list[Example]:
    """Every shell block of docs/http.md with the answer that follows it."""
    pattern = r"^```sh\n(.*?)^```\n```(json|text) (\d+)( keys)?\n(.*?)^```"
    found = re.findall(pattern, HTTP, flags=re.DOTALL | re.MULTILINE)
    return [Example(shell, kind, int(status), bool(keys), answer) for shell, kind, status, keys, answer in found]


def test_every_request_stands_beside_its_answer() -> None:
    assert len(examples()) == HTTP.count("```sh\n")
    assert len(examples()) >= 10


def all_routes(folder: Path) -> set[tuple[str, str]]:
    """Every method and path of the application."""
    from cauce.serve import create_app
    from serve.conftest import World
    from serve.table import routes

    return set(routes(create_app(World(folder).service())))


def test_the_page_names_every_route(tmp_path: Path) -> None:
    found = all_routes(tmp_path)
    assert len(found) >= 11
    for method, path in found:
        assert f"{method} {path}" in HTTP, f"docs/http.md does not name {method} {path}"


def asked(shell: str) -> set[tuple[str, str]]:
    """The methods and paths that a block's curls ask for."""
    found = set()
    for curl in re.split(r"\bcurl\b", shell.replace("\\\n", " "))[1:]:
        (path,) = re.findall(r'"\$CAUCE_URL(/[^"?]*)', curl)
        sends = re.search(r"\s(-d|--data\S*)\s", curl)
        method = re.search(r"-X (\w+)", curl)
        found.add((method[1] if method else "POST" if sends else "GET", path))
    return found


def test_every_route_has_a_curl(tmp_path: Path) -> None:
    shown = {one for example in examples() if example.status < 400 for one in asked(example.shell)}
    for method, path in all_routes(tmp_path):
        pattern = re.sub(r"\{\w+\}", "[^/]+", path)
        assert any(m == method and re.fullmatch(pattern, p) for m, p in shown), f"no curl example: {method} {path}"


def test_the_page_names_every_metric() -> None:
    from cauce.serve.metrics import Metrics

    for family in Metrics().registry.collect():
        assert family.name in HTTP, f"docs/http.md does not name {family.name}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real service of a small school; gives the environment in which the page's examples run."""
    if shutil.which("curl") is None:
        pytest.skip("the examples of docs/http.md need curl")
    folder = tmp_path_factory.mktemp("school")
    pyarrow.csv.write_csv(students(), folder / "students.csv")
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")
    cauce = [sys.executable, "-m", "cauce"]
    subprocess.run([*cauce, "up", "--once", "--quiet"], cwd=folder, check=True, capture_output=True)
    with subprocess.Popen([*cauce, "serve", "--port", "0"], cwd=folder, stdout=subprocess.PIPE) as process:
        try:
            token = folder / ".cauce" / "secrets" / "token"
            url = read_url(process)
            secret = token.read_text(encoding="ascii").strip()
            env = {**os.environ, "CAUCE_URL": url, "TOKEN": secret, "CAUCE_TOKEN": secret, "SCHOOL": str(folder)}
            for example in examples():  # so that metrics have something to tell, whatever the order of the tests
                subprocess.run(["sh", "-euc", example.shell], env=env, capture_output=True, timeout=30, check=True)
            yield env
        finally:
            process.terminate()
            assert process.wait(timeout=40) == 0, "SIGTERM ends the service in order"


def read_url(process: subprocess.Popen[bytes], *, patience_s: float = 60.0) -> str:
    """The address that the service prints once it answers."""
    assert process.stdout is not None
    printed = b""
    while select.select([process.stdout], [], [], patience_s)[0]:
        chunk = os.read(process.stdout.fileno(), 4096)
        printed += chunk
        if found := re.search(rb"http://127\.0\.0\.1:\d+(?=\s)", printed):
            return found.group().decode()
        if not chunk:
            break
    raise AssertionError(f"the service did not begin: {printed.decode()}")


def with_status(shell: str) -> str:
    """The block as printed, its last curl telling the status on a last line too."""
    before, curl, after = shell.rpartition("curl -s ")
    return before + curl + r"-w '\n%{http_code}' " + after


@pytest.mark.slow
@pytest.mark.parametrize("example", examples(), ids=lambda e: str(e.status))
def test_a_request_gets_the_answer_printed_beside_it(example: Example, service: dict[str, str]) -> None:
    command = ["sh", "-euc", with_status(example.shell)]
    done = subprocess.run(command, env=service, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    assert int(status) == example.status, body
    if example.kind == "text":
        assert [line for line in example.answer.splitlines() if line not in body] == []
        return
    printed, received = json.loads(example.answer), json.loads(body)
    if example.keys_alone:
        assert sorted(received) == sorted(printed)
    else:
        assert settled(received) == settled(printed)


def scripts() -> list[tuple[str, str]]:
    """Every Python block of docs/http.md with what it prints."""
    return re.findall(r"^```python\n(.*?)^```\n```text\n(.*?)^```", HTTP, flags=re.DOTALL | re.MULTILINE)


def test_every_script_stands_beside_what_it_prints() -> None:
    assert len(scripts()) == HTTP.count("```python\n") >= 3


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(scripts())))
def test_a_script_prints_what_stands_beside_it(number: int, service: dict[str, str]) -> None:
    script, printed = scripts()[number]
    env = {**service, "CAUCE_SERVE__PORT": service["CAUCE_URL"].rpartition(":")[2]}  # cauce.toml says another one
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=service["SCHOOL"], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed


def settled(value: object) -> object:
    """A JSON value without what differs from run to run: ids become `id`, fractions two places."""
    if isinstance(value, dict):
        return {key: settled(one) for key, one in value.items()}
    if isinstance(value, list):
        return [settled(one) for one in value]
    if isinstance(value, float):
        return round(value, 2)
    return (
        "id" if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) else value
    )


def commands() -> dict[str, App]:
    """Every command by its words: `train`, `data log`."""
    from cauce.cli import app

    found: dict[str, App] = {}
    for name in app:
        if name.startswith("-"):
            continue
        found[name] = app[name]
        found |= {f"{name} {inner}": app[name][inner] for inner in app[name] if not inner.startswith("-")}
    return found


def test_the_command_line_page_names_every_command_and_option() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name, command in commands().items():
        rows = [line for line in page.splitlines() if line.startswith("|") and f"`cauce {name}" in line]
        assert rows, f"docs/cli.md has no row for `cauce {name}`"
        for argument in command.assemble_argument_collection():
            common = argument.name in {"--project", "--json", "--quiet"}
            if argument.show and argument.name.startswith("--") and not common:
                assert any(f"{option} " in rows[0] or f"{option}`" in rows[0] for option in argument.names), (
                    argument.name
                )


def test_the_command_line_page_names_every_exit_code() -> None:
    from cauce.core import errors

    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    kinds: list[type[errors.CauceError]] = [
        errors.CauceError,
        errors.UserError,
        errors.Blocked,
        errors.Refused,
        errors.Locked,
    ]
    codes = {errors.EXIT_DONE, errors.EXIT_INTERRUPTED, *(kind.exit_code for kind in kinds)}
    assert codes == {int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)}


def test_the_tree_lists_each_room_as_it_is() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (tree,) = re.findall(r"^```\nsrc/cauce/\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    listed: set[str] = set()
    room = ""
    for inside, name in re.findall(r"^(│   )?[├└]── (\S+)", tree, flags=re.MULTILINE):
        if name.endswith("/"):
            room = name
        elif name.endswith(".py"):
            listed.add(f"{room}{name}" if inside else name)
    source = ROOT / "src" / "cauce"
    there = {str(path.relative_to(source)) for path in source.rglob("*.py") if path.name != "__init__.py"}
    assert listed == {path for path in there if not path.startswith("examples/")}

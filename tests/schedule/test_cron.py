"""The cron line, read as cron reads it and run by the shell that cron runs: the same command at even intervals."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cauce.core.errors import UserError
from cauce.core.specs import seconds
from cauce.schedule import Plan, cron_line, expression

EVEN = [
    "1m",
    "2m",
    "5m",
    "10m",
    "12m",
    "15m",
    "20m",
    "30m",
    "60m",
    "1h",
    "2h",
    "3h",
    "4h",
    "6h",
    "8h",
    "12h",
    "24h",
    "1d",
    "7d",
]


def plan(every: str = "1h", folder: str = "/srv/school", model: str | None = None) -> Plan:
    return Plan("school", Path(folder), every, seconds(every), Path("/opt/cauce/bin/python"), model)


def minutes(fields: str) -> list[int]:
    """The minutes of four weeks at which an expression is due: crontab(5), without names."""
    sets = [
        matching(text, low, high)
        for text, low, high in zip(fields.split(), (0, 0, 1, 1, 0), (59, 23, 31, 12, 7), strict=True)
    ]
    return [
        at for at in range(28 * 1440) if at % 60 in sets[0] and at // 60 % 24 in sets[1] and (at // 1440) % 7 in sets[4]
    ]


def matching(text: str, low: int, high: int) -> set[int]:
    found = re.fullmatch(r"(\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", text)
    assert found is not None, text
    first = low if found[1] == "*" else int(found[2])
    last = high if found[1] == "*" else int(found[3] or found[2])
    assert low <= first <= last <= high
    return set(range(first, last + 1, int(found[4] or 1)))


@pytest.mark.parametrize("every", EVEN)
@pytest.mark.parametrize("folder", ["/srv/school", "/srv/b", "/home/ana/x"])
def test_it_is_due_evenly_at_the_interval(every: str, folder: str) -> None:
    due = minutes(expression(plan(every, folder)))
    gaps = {later - earlier for earlier, later in itertools.pairwise(due)}
    assert gaps == {seconds(every) / 60}


@pytest.mark.parametrize("every", ["30s", "7m", "45m", "90m", "5h", "2d", "30d", "1.5m"])
def test_what_cron_cannot_say_is_refused_with_what_it_can(every: str) -> None:
    with pytest.raises(UserError, match="cannot say") as caught:
        expression(plan(every))
    said = str(caught.value)
    near = re.findall(r"Write (\w+) or (\w+),", said)[0]
    assert all(expression(plan(one)) for one in near)
    assert f"cauce watch --every {every}" in said


def test_projects_do_not_all_begin_at_the_full_hour() -> None:
    begins = {expression(plan("1h", f"/srv/{i}")).partition(" ")[0] for i in range(200)}
    assert len(begins) > 40
    assert expression(plan("1h")) == expression(plan("1h")), "and each at the same minute every time"


def as_cron_reads(line: str) -> str:
    """What cron hands to the shell: after the five fields, up to an unescaped %, `\\%` as %.

    As in do_command.c of Vixie's cron: a backslash escapes what follows, whatever it is, and goes where that is a %.
    """
    out, escaped = "", False
    for letter in line.split(" ", 5)[5]:
        if escaped:
            out, escaped = (out[:-1] if letter == "%" else out) + letter, False
            continue
        if letter == "%":
            break
        out, escaped = out + letter, letter == "\\"
    return out


names = st.text(st.characters(exclude_characters="/\n\r\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 200
)


@settings(deadline=None, max_examples=25)
@given(names)
@example("50% off")
@example("it's $HOME; %")
@example("a\\%b\\\\%c\\")
def test_the_shell_runs_the_command_in_the_folder_whatever_it_is_called(name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / name
        folder.mkdir()
        script = Path(base) / "python"
        script.write_text(f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps([os.getcwd(), sys.argv[1:]]))\n")
        script.chmod(0o755)
        line = cron_line(Plan("school", folder, "1h", 3600.0, script, "passed"))
        assert "\n" not in line
        done = subprocess.run(["/bin/sh", "-c", as_cron_reads(line)], capture_output=True, check=True)
        cwd, arguments = json.loads(done.stdout)
    assert cwd == str(folder)
    assert arguments == ["-m", "cauce", "watch", "passed", "--once", "--quiet", "--project", str(folder)]


def test_a_path_with_a_line_break_is_refused() -> None:
    with pytest.raises(UserError, match="line break"):
        plan(folder="/srv/a\n* * * * * rm -rf /")

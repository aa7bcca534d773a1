"""The scanner of lines, against tomllib: every leaf has a line, and its key stands on it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cauce.project.origins import KeyPath, Origins, lines_of

EVERYTHING = '''\
# [not.a.table]
top = 1 # key = 2
[a.b]
"quoted key" = "x # = ]"
'lit.eral' . inner = """
[fake]
x = 1 \\"""
still""""
after = \'\'\'
y = 2\'\'\'
list = [ # one
  "]", [1,
  2], {p = 1, q.r = "}"},
  1979-05-27 07:32:00,
]
[[items]]
name = "first"
[items.inner]
deep = 1
[[items]]
[[items.more]]
x = 1
[[items.more]]
x = {y = [{z = 1}]}
["dotted.table"]
k = true
[a]
own = 3
'''


def test_every_form_of_toml_has_its_line() -> None:
    lines = lines_of(EVERYTHING)
    expected: dict[KeyPath, int] = {
        ("top",): 2,
        ("a", "b"): 3,
        ("a", "b", "quoted key"): 4,
        ("a", "b", "lit.eral", "inner"): 5,
        ("a", "b", "after"): 9,
        ("a", "b", "list"): 11,
        ("a", "b", "list", 0): 12,
        ("a", "b", "list", 1, 1): 13,
        ("a", "b", "list", 2, "q", "r"): 13,
        ("a", "b", "list", 3): 14,
        ("items",): 16,
        ("items", 0, "name"): 17,
        ("items", 0, "inner", "deep"): 19,
        ("items", 1): 20,
        ("items", 1, "more", 0, "x"): 22,
        ("items", 1, "more", 1, "x", "y", 0, "z"): 24,
        ("dotted.table", "k"): 26,
        ("a",): 27,
        ("a", "own"): 28,
    }
    assert {path: lines[path] for path in expected} == expected
    assert set(leaves(tomllib.loads(EVERYTHING))) <= set(lines)


def leaves(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    children = list(inner)
    if not children and path:
        yield path
    for key, below in children:
        yield from leaves(below, (*path, key))


KEY = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,4}", fullmatch=True), st.sampled_from(["a b", "d.o.t", "ñ", "#", "[x]"])
)
BLANK = st.sampled_from(["", " ", "\t", "  "])
BREAK = st.sampled_from(["", "\n", " \n\n ", "# a ] comment = [\n", "\r\n"])
TEXT = st.sampled_from(
    [
        '"plain"',
        '"# no ] comment = \\" x"',
        "'lit # \\'",
        '"""two\n[lines] = 1"""',
        '"""q""""',
        "'''raw\n'x'\n'''",
        '""',
    ]
)
SCALAR = st.one_of(
    TEXT, st.sampled_from(["1", "-2.5e3", "true", "inf", "2024-01-01 10:00:00Z", "0x_ff".replace("_", "")])
)


def written(key: str) -> str:
    return key if all(c.isascii() and (c.isalnum() or c in "_-") for c in key) else json.dumps(key, ensure_ascii=False)


@st.composite
def arrays(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    parts = draw(st.lists(items, max_size=3))
    gap = draw(BREAK)
    trailing = draw(st.sampled_from(["", ","])) if parts else ""
    return f"[{gap}{f'{gap},{gap}'.join(parts)}{gap}{trailing}{gap}]"


@st.composite
def inline_tables(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    keys = draw(st.lists(KEY, max_size=3, unique=True))
    blank = draw(BLANK)
    return "{" + ", ".join(f"{written(key)}{blank}={blank}{draw(items)}" for key in keys) + blank + "}"


VALUE = st.recursive(SCALAR, lambda inner: st.one_of(arrays(inner), inline_tables(inner)), max_leaves=6)


@st.composite
def pairs(draw: st.DrawFn) -> str:
    lines = []
    for key in draw(st.lists(KEY, max_size=4, unique=True)):
        dotted = [key, *draw(st.lists(KEY, max_size=2))]
        blank = draw(BLANK)
        name = f"{blank}.{blank}".join(map(written, dotted))
        lines.append(f"{blank}{name}{blank}={blank}{draw(VALUE)}{blank}{draw(st.sampled_from(['', '# note']))}")
    return "\n".join(lines) + "\n"


@st.composite
def documents(draw: st.DrawFn) -> str:
    text = draw(pairs())
    for number, name in enumerate(draw(st.lists(KEY, max_size=3, unique=True))):
        unique = written(f"t{number}{name}")
        text += draw(BREAK).replace("\r\n", "\n") + "\n"
        for _ in range(draw(st.integers(1, 2)) if draw(st.booleans()) else 0):
            text += f"[[{unique}]]\n{draw(pairs())}[{unique}.zz_sub.x]\n{draw(pairs())}"
        if unique not in text:
            text += f"[ {unique} . {written(name)} ]\n{draw(pairs())}"
    return text


@given(documents())
def test_every_leaf_of_a_document_has_a_line_that_holds_its_key(text: str) -> None:
    lines = lines_of(text)
    shown = text.replace("\r\n", "\n").split("\n")
    for path in leaves(tomllib.loads(text)):
        assert path in lines, path
        if isinstance(path[-1], str):
            assert written(path[-1]) in shown[lines[path] - 1]


def test_a_table_name_that_needs_quotes_is_shown_with_them() -> None:
    origins = Origins("cauce.toml", {("a", "b c"): 2, ("a", "b c", "d e"): 3}, frozenset({("a",), ("a", "b c")}))
    assert origins.where("a", "b c", "d e") == 'cauce.toml:3, [a."b c"] "d e"'

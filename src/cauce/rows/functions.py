"""The functions that `[data.NAME] rows` lists: found, run as modules of their own, and held against the columns.

They are computed in the order in which they stand, in cauce.toml and then in their file: a function may use the
columns of those before it. So what a page of features does can be read from top to bottom.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path, PurePosixPath
from types import FunctionType, ModuleType
from typing import Any

from cauce.core.errors import Problems, UserError, did_you_mean
from cauce.core.files import fingerprint
from cauce.core.scripts import Script, read_script, run_script
from cauce.rows.declare import MARK, Declared

RESERVED = "__cauce"


@dataclass(frozen=True, eq=False)
class RowFunction:
    """One function: the columns it takes, and the one it makes."""

    name: str
    """The new column's."""
    columns: tuple[str, ...]
    call: Callable[..., Any]
    attribute: str
    """What the function is called in its file."""
    path: str
    """Its file, relative to the project."""
    line: int

    @property
    def where(self) -> str:
        """Place, for errors: ``"features.py:12, price_per_m2"``."""
        return f"{self.path}:{self.line}, {self.name}"


@dataclass(frozen=True, eq=False)
class RowFunctions:
    """All row functions of a data set, or those that a release needs, in the order in which they are computed."""

    entries: tuple[str, ...] = ()
    """As they stand in cauce.toml."""
    scripts: tuple[Script, ...] = ()
    functions: tuple[RowFunction, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to compute."""
        return bool(self.functions)

    @property
    def names(self) -> tuple[str, ...]:
        """The new columns, in order."""
        return tuple(function.name for function in self.functions)

    @property
    def digest(self) -> str:
        """What changes whenever the functions do: a SHA-256 of their names and texts; empty without functions."""
        return fingerprint(self.names, [(script.path, script.text) for script in self.scripts]) if self else ""

    @property
    def libraries(self) -> dict[str, str]:
        """Distribution → version of what the functions' files import, beside Python's own and Cauce."""
        names = (
            {name for script in self.scripts for name, _ in _imported(script.text)}
            - sys.stdlib_module_names
            - {"cauce"}
        )
        known = packages_distributions() if names else {}
        found = {distribution for name in names for distribution in known.get(name, ())}
        return {name: version(name) for name in sorted(found)}

    def fresh(self) -> RowFunctions:
        """Return the same functions in new modules: whatever these remember from earlier calls is gone."""
        chosen = frozenset(self.names)
        again = compile_functions(self.entries, self.scripts)
        return RowFunctions(self.entries, self.scripts, tuple(one for one in again.functions if one.name in chosen))

    def needed_for(self, columns: Iterable[str]) -> RowFunctions:
        """Return the functions without which `columns` cannot be computed, their files alone."""
        wanted, chosen = set(columns), []
        for function in reversed(self.functions):
            if function.name in wanted:
                chosen.append(function)
                wanted.update(function.columns)
        files = {function.path for function in chosen}
        return RowFunctions(
            tuple(f"{function.path}:{function.attribute}" for function in reversed(chosen)),
            tuple(script for script in self.scripts if script.path in files),
            tuple(reversed(chosen)),
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that rows must bring: all that functions take and no earlier one makes."""
        made = frozenset(self.names)
        taken = (column for function in self.functions for column in function.columns)
        return tuple(dict.fromkeys(column for column in taken if column not in made))

    def raw(self, columns: Iterable[str]) -> tuple[str, ...]:
        """Return what rows must bring for `columns` to be known: themselves, or what they are computed from."""
        columns = tuple(columns)
        needed = self.needed_for(columns)
        made = frozenset(needed.names)
        return tuple(dict.fromkeys([*(name for name in columns if name not in made), *needed.inputs]))


def read_functions(entries: Sequence[str], folder: Path, *, where: Callable[[int], str]) -> RowFunctions:
    """Read and compile the row functions of a data set.

    Parameters
    ----------
    entries
        ``"features.py:price_per_m2"``, or ``"features.py"`` for all its public functions.
    folder
        The project's: nothing outside it is read.
    where
        Number of an entry → its place in cauce.toml, for errors.

    Raises
    ------
    UserError
        A file or function is missing, cannot be run, or its parameters are no columns' names.
    """
    scripts: dict[str, Script] = {}
    for number, entry in enumerate(entries):
        path, colon, name = entry.partition(":")
        if colon and not name.isidentifier():
            hint = 'Write "features.py:price_per_m2", or "features.py" for all functions of the file.'
            raise UserError("not a function's name", where=where(number), received=entry, hint=hint)
        script = read_script(path, folder, where=where(number))
        if script.path not in scripts:
            _check_imports(script, folder)
            scripts[script.path] = script
    return compile_functions(entries, tuple(scripts.values()), where=where)


def compile_functions(
    entries: Sequence[str], scripts: Sequence[Script], *, where: Callable[[int], str] = lambda _: "rows"
) -> RowFunctions:
    """Run the scripts, each as a module of its own, and take the functions that `entries` name.

    Raises
    ------
    UserError
        A script cannot be run, or a function is missing or none that can be computed row by row.
    """
    modules = {script.path: run_script(script) for script in scripts}
    found: dict[tuple[str, str], RowFunction] = {}
    for number, entry in enumerate(entries):
        path, _, name = entry.partition(":")
        path = _normal(path)
        public = _public(modules[path])
        if name and name not in public:
            hint = did_you_mean(name, public) or "The file has no public function."
            raise UserError(f"no such function in {path}", where=where(number), received=name, hint=hint)
        if not public:
            hint = "Write def price_per_m2(price, area): …; names that start with _ are left out."
            raise UserError("a file without a public function", where=where(number), received=path, hint=hint)
        for chosen in [name] if name else public:
            if (path, chosen) not in found:
                found[path, chosen] = _row_function(public[chosen], chosen, path)
    return RowFunctions(tuple(entries), tuple(scripts), tuple(found.values()))


def faults(functions: RowFunctions, columns: Collection[str]) -> list[UserError]:
    """Return what is wrong with the functions of a data set that has these `columns`; empty when all is well."""
    known = {name.lower(): name for name in columns}
    makers = {function.name: function for function in reversed(functions.functions)}
    problems: list[UserError] = []
    for function in functions.functions:
        available = set(known.values())
        problems.extend(
            _not_there(function, column, available, makers) for column in function.columns if column not in available
        )
        taken = known.get(function.name.lower())
        known.setdefault(function.name.lower(), function.name)
        if taken is not None:
            what = "the data has this column already" if taken in columns else "two functions make this column"
            hint = "A row function makes a new column: give it another name."
            problems.append(UserError(what, where=function.where, received=function.name, hint=hint))
        if function.name.lower().startswith(RESERVED):
            what = f"column names that start with {RESERVED} are kept for Cauce"
            problems.append(UserError(what, where=function.where, received=function.name, hint="Rename it."))
    return problems


def check(functions: RowFunctions, columns: Collection[str]) -> None:
    """Raise what `faults` finds: one UserError, or Problems."""
    found = faults(functions, columns)
    if found:
        raise found[0] if len(found) == 1 else Problems(found)


def _not_there(function: RowFunction, column: str, available: set[str], makers: Mapping[str, RowFunction]) -> UserError:
    maker = makers.get(column)
    if maker is None:
        hint = f'{did_you_mean(column, available)} For a column such as "precio total", write @row("precio total").'
        return UserError("takes what is no column", where=function.where, received=column, hint=hint)
    if maker is function:
        return UserError("takes its own column", where=function.where, received=column, hint="Name another column.")
    circle = _way(maker, function.name, makers, frozenset())
    if circle:
        names = " needs ".join([function.name, *circle])
        return UserError(f"a circle: {names}", where=function.where, received=column, hint="Compute one without it.")
    what = f"takes a column that is computed only after it ({maker.path}:{maker.line})"
    hint = f"Put {maker.name} before {function.name}, in the file or under `rows`."
    return UserError(what, where=function.where, received=column, hint=hint)


def _way(start: RowFunction, goal: str, makers: Mapping[str, RowFunction], passed: frozenset[str]) -> tuple[str, ...]:
    """Return the columns from `start` to `goal`, each computed from the next; empty where there is no way."""
    if start.name == goal:
        return (goal,)
    for column in start.columns:
        if column in makers and column not in passed:
            rest = _way(makers[column], goal, makers, passed | {start.name})
            if rest:
                return (start.name, *rest)
    return ()


def _normal(path: str) -> str:
    return str(PurePosixPath(path))


def _public(module: ModuleType) -> dict[str, FunctionType]:
    """Return the functions that a module defines itself, in the order of their lines."""
    own = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    return dict(sorted(own.items(), key=lambda item: item[1].__code__.co_firstlineno))


def _row_function(function: FunctionType, attribute: str, path: str) -> RowFunction:
    declared: Declared = getattr(function, MARK, Declared((), None))
    line = function.__code__.co_firstlineno
    name = declared.name or attribute
    where = f"{path}:{line}, {name}"
    parameters = list(inspect.signature(function).parameters.values())
    for parameter in parameters:
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY}:
            hint = "Every parameter is a column: def price_per_m2(price, area)."
            raise UserError("takes a list or keywords", where=where, received=str(parameter), hint=hint)
        if parameter.default is not parameter.empty:
            hint = "Every parameter is a column. Write a constant above the function."
            raise UserError("a parameter has a default", where=where, received=str(parameter), hint=hint)
    if not parameters:
        hint = "Every parameter is a column: def price_per_m2(price, area)."
        raise UserError("takes no column", where=where, hint=hint)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise UserError("not an ordinary function", where=where, hint="It returns one array, with `return`.")
    columns = declared.columns or tuple(parameter.name for parameter in parameters)
    if len(columns) != len(parameters):
        hint = "Name one column for each parameter."
        what = f"@row names {len(columns)} columns, the function takes {len(parameters)}"
        raise UserError(what, where=where, received=columns, hint=hint)
    return RowFunction(name, columns, function, attribute, path, line)


def _check_imports(script: Script, folder: Path) -> None:
    """Refuse an import of another file of the project: a release carries each file by itself."""
    for name, line in _imported(script.text):
        if not name or (name not in sys.stdlib_module_names and _is_own(name, folder, script)):
            hint = "A release carries each file by itself: write what is needed into this one."
            where = f"{script.path}:{line}"
            raise UserError("imports a file of the project", where=where, received=name or ".", hint=hint)


def _imported(text: str) -> list[tuple[str, int]]:
    """Return the first name of every module that a text imports, empty for a relative import, and the line."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []  # told with its line when the file is run
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name.partition(".")[0], node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(("" if node.level else (node.module or "").partition(".")[0], node.lineno))
    return found


def _is_own(module: str, folder: Path, script: Script) -> bool:
    """Whether a module's file lies in the project, where Python would look for it first."""
    bases = {folder, (folder / script.path).parent}
    return any((base / f"{module}.py").exists() or any((base / module).glob("*.py")) for base in bases)

"""Python and SQL files of the project that cauce.toml names: found inside its folder, read as text, run as modules.

What is run is the text that was read, never the file again, so that a digest of the text says what ran. A module made
from it belongs to its caller alone: it does not stay in `sys.modules`, and two releases with a file of the same name
do not see each other's.
"""

from __future__ import annotations

import itertools
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType

from cauce.core.errors import UserError

RAISED = (Exception, SystemExit)
"""What a project's code raises is told with its line: `sys.exit()` in it must not end Cauce as if all were done."""
LARGEST = 1_000_000  # bytes; what people write by hand is a few thousand
_numbers = itertools.count()


@dataclass(frozen=True)
class Script:
    """A file of the project, as it was read."""

    path: str
    """Relative to the project, with slashes: ``"features/prices.py"``."""
    text: str


def read_script(name: str, folder: Path, *, where: str, suffix: str = ".py") -> Script:
    """Read a file that cauce.toml names.

    Parameters
    ----------
    name
        As it stands in the file, relative to `folder`.
    folder
        The project's.
    where
        Place of the key, for errors.
    suffix
        How its name must end.

    Raises
    ------
    UserError
        It is not there, lies outside the project (also by a link), is no such file, too large, or not UTF-8.
    """
    pure = PurePosixPath(name)
    inside = f"Name a file in the project's folder, as `features{suffix}`."
    if not name or "\0" in name or pure.is_absolute() or ".." in pure.parts or "\\" in name:
        raise UserError("not a file of the project", where=where, received=name, hint=inside)
    if pure.suffix != suffix:
        raise UserError(f"not a file that ends in {suffix}", where=where, received=name, hint=inside)
    path = folder / pure
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        near = ", ".join(sorted(other.name for other in folder.glob(f"*{suffix}"))[:10])
        hint = f"Files here: {near}." if near else inside
        raise UserError("no such file", where=where, received=name, hint=hint) from error
    if not real.is_relative_to(folder.resolve()) or not real.is_file():
        raise UserError("not a file of the project", where=where, received=name, hint=inside)
    content = real.read_bytes()
    if len(content) > LARGEST:
        what = f"larger than {LARGEST:,} bytes"
        raise UserError(what, where=where, received=name, hint="Keep data out of it; a release carries such files.")
    try:
        return Script(str(pure), content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError("not UTF-8", where=where, received=name, hint="Save it as UTF-8.") from error


def run_script(script: Script) -> ModuleType:
    """Run a file's text as a module of its own, and return that.

    Raises
    ------
    UserError
        It cannot be compiled, or raises while it is run; with file and line.
    """
    module = ModuleType(f"cauce_script_{next(_numbers)}_{Path(script.path).stem}")
    module.__file__ = script.path
    sys.modules[module.__name__] = module  # dataclasses look for their module there while a class is made
    try:
        exec(compile(script.text, script.path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except SyntaxError as error:
        hint = "Mend the line."
        raise UserError(f"not Python: {error.msg}", where=f"{script.path}:{error.lineno}", hint=hint) from error
    except ValueError as error:  # what the compiler says of a null byte
        raise UserError(f"not Python: {error}", where=script.path, hint="Save it as plain text.") from error
    except ModuleNotFoundError as error:
        where = f"{script.path}:{line_in(error, script.path)}"
        hint = "Install it in Cauce's environment. A file of the project cannot import another one."
        raise UserError(f"imports {error.name}, which is not there", where=where, hint=hint) from error
    except RAISED as error:  # it is the user's code: whatever it raises is told with its line
        where = f"{script.path}:{line_in(error, script.path)}"
        raise UserError(f"{type(error).__name__}: {error}", where=where, hint="Mend the line.") from error
    finally:
        sys.modules.pop(module.__name__, None)
    return module


def line_in(error: BaseException, path: str) -> int:
    """Return the innermost line of `path` that `error` came through; 1 where it came through none."""
    lines = [frame.lineno or 1 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return lines[-1] if lines else 1

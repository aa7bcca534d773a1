"""`python -m cauce` and the command `cauce`: the border at which errors become messages and exit codes."""

from __future__ import annotations

import sys

from cauce.core.errors import EXIT_INTERRUPTED, UserError


def main() -> None:
    """Run one command and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; what the user can mend is printed without a traceback."""
    try:
        from cauce.cli import app
        from cauce.terminal import show_error

        code = app(arguments, result_action="return_value", exit_on_error=False, print_error=True)
    except UserError as error:
        show_error(error, as_json="--json" in arguments)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. What was finished is kept; the same command goes on from there.\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        from cyclopts import CycloptsError

        if isinstance(error, CycloptsError):
            return 2
        raise
    return int(code) if isinstance(code, int) else 0


if __name__ == "__main__":
    main()

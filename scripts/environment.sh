#!/bin/sh
# Makes or reuses .venv: a Python 3.11+ found on PATH, the versions of constraints.txt, nothing else on the machine touched.
# Usage: scripts/environment.sh [dev]      dev adds the test and lint tools
set -eu
cd "$(dirname "$0")/.."
kind="${1:-base}"
venv=.venv
mark="$venv/.ready-$kind"
wanted="$(cat pyproject.toml constraints.txt | cksum)"
if [ -x "$venv/bin/python" ] && [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
if [ ! -x "$venv/bin/python" ]; then
    found=""
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            found="$name"
            break
        fi
    done
    if [ -z "$found" ]; then
        echo "Cauce needs Python 3.11 or newer; none was found on PATH." >&2
        exit 2
    fi
    echo "Making $venv with $("$found" --version)"
    rm -rf "$venv"
    if ! "$found" -m venv "$venv"; then
        rm -rf "$venv"
        echo "'$found -m venv' failed. On Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 2
    fi
fi
echo "Installing Cauce ($kind) into $venv with the versions of constraints.txt"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
if [ "$kind" = dev ]; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . --group dev
else
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
fi
echo "$wanted" > "$mark"

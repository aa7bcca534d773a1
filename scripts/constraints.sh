#!/bin/sh
# Resolves base and dev dependencies in a throw-away environment and writes their versions to constraints.txt.
set -eu
cd "$(dirname "$0")/.."
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
"$scratch/venv/bin/python" -m pip install --quiet . --group dev
{
    echo "# Versions known to work together; written by scripts/constraints.sh."
    "$scratch/venv/bin/python" -m pip freeze --exclude cauce
} > constraints.txt

#!/bin/sh
# Makes or reuses .venv-evidently: Cauce and Evidently together, which needs pandas < 3, with the versions of
# constraints-evidently.txt. For the tests that hold Cauce's figures against Evidently's.
# Usage: scripts/evidently.sh [resolve]     resolve writes constraints-evidently.txt anew
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" = resolve ]; then
    scratch="$(mktemp -d)"
    trap 'rm -rf "$scratch"' EXIT
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
    "$scratch/venv/bin/python" -m pip install --quiet '.[evidently]'
    {
        echo "# Versions known to work together with the extra \`evidently\`; written by scripts/evidently.sh resolve."
        "$scratch/venv/bin/python" -m pip freeze --exclude cauce
    } > constraints-evidently.txt
    exit 0
fi
venv=.venv-evidently
mark="$venv/.ready"
wanted="$(cat pyproject.toml constraints-evidently.txt | cksum)"
if [ -x "$venv/bin/python" ] && [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints-evidently.txt -e '.[evidently]'
echo "$wanted" > "$mark"

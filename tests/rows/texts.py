"""Row functions as text, for the tests of this folder."""

from __future__ import annotations

from cauce.core.scripts import Script
from cauce.rows import RowFunctions
from cauce.rows.functions import compile_functions

HEAD = "import pyarrow as pa\nimport pyarrow.compute as pc\nfrom cauce import row\n\n"


def functions(text: str, *entries: str) -> RowFunctions:
    """Compile a file `features.py` with these functions, the imports put before them on one line's length of four."""
    return compile_functions(entries or ("features.py",), [Script("features.py", HEAD + text)])


RATIO = "def ratio(price, area):\n    return pc.divide(pc.cast(price, pa.float64()), area)\n"
YEAR = '@row("sold on", name="año")\ndef year(moment):\n    return pc.year(moment)\n'
WORDS = (
    "def words(note):\n"
    "    return pa.array([None if one is None else len(one.split()) for one in note.to_pylist()], pa.int64())\n"
)
AGAIN = "def twice(ratio):\n    return pc.multiply(ratio, 2.0)\n"

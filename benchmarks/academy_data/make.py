"""Trim the College Scorecard to the two small files of the example `academy`.

    python benchmarks/academy_data/make.py scorecard.dta src/cauce/examples/academy/data

`scorecard.dta` lies in the source distribution of `causaldata` 0.1.5. What is kept and why stands in data/SOURCE.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

LAST_YEAR = 2013
"""The history ends here; the later year is played as live traffic."""
THRESHOLD = 25_000
"""Dollars a year: the threshold of the Scorecard's own fields `gt_25k`."""
DEGREES = {"Less than two-year": "certificate", "Two-year degree": "associate", "Four-year+ degree": "bachelor"}
TYPES = pa.schema(
    [
        ("record", pa.string()),
        ("college", pa.string()),
        ("state", pa.string()),
        ("degree", pa.string()),
        ("measured", pa.date32()),
        ("students", pa.int64()),
        ("share_working", pa.float64()),
        ("earnings_before", pa.int64()),
        ("years_since", pa.int64()),
        ("earnings", pa.int64()),
        ("above_25k", pa.string()),
    ]
)


def measured_twice(path: Path) -> pd.DataFrame:
    """Return a row for each measurement that has one before it at the same college, in time order."""
    raw = pd.read_stata(path).dropna(subset=["earnings_med"]).sort_values(["unitid", "year"])
    before = raw.groupby("unitid")[["earnings_med", "year"]].shift()
    students = raw["count_working"] + raw["count_not_working"]
    table = pd.DataFrame(
        {
            "record": raw["unitid"].astype(str) + "-" + raw["year"].astype(str),
            "college": "c" + raw["unitid"].astype(str),
            "state": raw["state_abbr"].astype(str),
            "degree": raw["pred_degree_awarded_ipeds"].map(DEGREES).astype(str),
            "measured": pd.to_datetime(raw["year"].astype(str) + "-12-31").dt.date,
            "students": students.astype("Int64"),
            "share_working": (raw["count_working"] / students).round(3),
            "earnings_before": before["earnings_med"].astype("Int64"),
            "years_since": (raw["year"] - before["year"]).astype("Int64"),
            "earnings": raw["earnings_med"].astype("Int64"),
            "above_25k": (raw["earnings_med"] >= THRESHOLD).map({True: "yes", False: "no"}),
        }
    )
    table = table.dropna(subset=["earnings_before", "students"]).sort_values(["measured", "record"])
    # Campuses of one institution report the same figures: one of them is kept.
    return table.drop_duplicates(subset=[name for name in table.columns if name not in {"record", "college"}])


def main(source: Path, folder: Path) -> None:
    """Write colleges.csv and later.parquet."""
    table = measured_twice(source)
    late = pd.to_datetime(table["measured"]).dt.year > LAST_YEAR
    folder.mkdir(parents=True, exist_ok=True)
    table[~late].to_csv(folder / "colleges.csv", index=False, lineterminator="\n")
    later = pa.Table.from_pandas(table[late], schema=TYPES, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(later, folder / "later.parquet", compression="zstd")
    for path in sorted(folder.iterdir()):
        print(f"{path.name}: {path.stat().st_size:,} bytes")
    print(f"history {int((~late).sum()):,} rows, later {int(late.sum()):,} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Sources: where rows come from. One protocol, one file a kind; each gives an Ibis table, which becomes batches."""

from __future__ import annotations

from cauce.data.sources.opening import Opened, Prepare, mark, opened, raw, spares_rows
from cauce.data.sources.source import Raw, Source

__all__ = ["Opened", "Prepare", "Raw", "Source", "mark", "opened", "raw", "spares_rows"]

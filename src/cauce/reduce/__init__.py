"""Fewer rows, proven not worse: a memetic search keeps weighted rows, held-out units decide whether they will do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.reduce.rows import Kept, Learner, Rows

if TYPE_CHECKING:
    from cauce.reduce.reducer import MemeticReducer

__all__ = ["Kept", "Learner", "MemeticReducer", "Rows"]


def __getattr__(name: str) -> object:
    """Load the class that needs scikit-learn when it is asked for."""
    if name == "MemeticReducer":
        from cauce.reduce.reducer import MemeticReducer

        return MemeticReducer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Column summaries of a snapshot and the bins that drift is counted in: made at training, read by every room.

One pass over record batches gives a `Profile`; profiles merge; `make_bins` fixes the bins that a watch counts in.
"""

from cauce.profile.bins import Bins, ColumnBins, make_bins
from cauce.profile.column import ColumnProfile
from cauce.profile.profile import FORMAT, Profile, summarise
from cauce.profile.text import TextFacts
from cauce.profile.together import Together

__all__ = [
    "FORMAT",
    "Bins",
    "ColumnBins",
    "ColumnProfile",
    "Profile",
    "TextFacts",
    "Together",
    "make_bins",
    "summarise",
]

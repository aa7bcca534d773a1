"""Models fitted so that gaps between groups shrink: weights, exponentiated gradient, a threshold for each group.

A room of its own and no part of `audit/`: the audit looks at data and stops, this makes and loads models, at training
and in the service. What the gap is, is said once, in `evidence/gaps.py`; who the groups are, in `profile/groups.py`.
"""

from cauce.fairness.curve import Rows, at_most, curve
from cauce.fairness.measure import Measured, Said, compare, measure, say
from cauce.fairness.plan import Plan, make_plan
from cauce.fairness.task import Mitigated

__all__ = [
    "Measured",
    "Mitigated",
    "Plan",
    "Rows",
    "Said",
    "at_most",
    "compare",
    "curve",
    "make_plan",
    "measure",
    "say",
]

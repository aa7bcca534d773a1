"""`[renew]`: the keys of policy and promotion. Imported from `core.specs`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cauce.core.spec import Duration, Spec


class RenewSpec(Spec):
    """`[renew]`: when to retrain and when to promote."""

    min_truths: int = Field(default=300, ge=20)
    """Fewest labelled rows from the ledger before a retraining."""
    set_aside: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Share of the newest labelled units that judges champion against challenger and is not trained on; of those beyond
    2,000 since the champion's training a tenth."""
    cool_down: Duration = "1h"
    """Shortest time between two retrainings."""
    margin: float | None = Field(default=None, ge=0.0, lt=1.0)
    """Margin of the promotion; the model's own when absent."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    """Confidence of every comparison of champion and challenger, at the gate and on live requests."""
    mend_within: Duration = "28d"
    """How long a value whose rows are missing counts as a fault; then the rows that come are the population."""
    approve: Literal["policy", "person"] = "policy"
    """Who lets a retraining begin and a challenger take over. person: the policy says what it would do, and waits for
    `cauce renew --force` or `cauce promote`. Roll-backs of a probation never wait."""
    retrainings_a_week: int | None = Field(default=None, ge=0)
    """Most retrainings that the policy begins within seven days."""
    training_a_week: Duration | None = None
    """Most time that trainings may take within seven days, as 2h; one that would go beyond it is not begun."""
    experiment_truths: int = Field(default=20_000, ge=50)
    """Rows with truths after which a shadow, or a split, that has proven nothing ends."""
    experiment_time: Duration = "30d"
    """Time after which it ends."""
    probation: Duration = "7d"
    """How long a new champion is compared with the one before, and taken back when proven worse; 0s: not at all."""
    probation_truths: int = Field(default=2_000, ge=50)
    """Rows with truths after which a probation without a breach is passed."""
    latency_ratio: float = Field(default=3.0, ge=1.0)
    """How many times the champion's time a challenger may take, where it takes 5 ms more for a row at least."""

"""What a rehearsal is made of and what it came to: scenarios, courses of strategies, figures, a recommendation.

Times are seconds since the epoch in the history's own clock; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cauce.core.choice import Comparison
from cauce.core.findings import Words

ScenarioKind = Literal[
    "history",
    "still",
    "mean",
    "variance",
    "category",
    "correlation",
    "label",
    "delay",
    "unit",
    "partition",
    "withdrawn",
    "outage",
]
"""history: as it was; still: its rows in random order, so that nothing drifts; six kinds of drift; late labels; three
faults: one column in another unit, rows of a partition that never come, columns that come empty."""
Shape = Literal["none", "sudden", "gradual", "recurring"]
Wanted = Literal["nothing", "renew", "fix data"]
Strategy = Literal["loop", "never", "always", "scheduled", "oracle"]
SCENARIO_WORDS: dict[ScenarioKind, Words] = {
    "history": {"en": "the past as it was", "es": "el pasado tal como fue"},
    "still": {"en": "nothing changes (rows in random order)", "es": "nada cambia (filas en orden aleatorio)"},
    "mean": {"en": "means move", "es": "se mueven las medias"},
    "variance": {"en": "spreads grow", "es": "crecen las dispersiones"},
    "category": {"en": "categories shift", "es": "cambian las categorías"},
    "correlation": {"en": "a correlation breaks", "es": "se rompe una correlación"},
    "label": {"en": "the outcome obeys another rule", "es": "el resultado obedece a otra regla"},
    "delay": {"en": "truths come late, some never", "es": "los resultados llegan tarde, algunos nunca"},
    "unit": {"en": "fault: a column in another unit", "es": "fallo: una columna en otra unidad"},
    "partition": {"en": "fault: a partition is missing", "es": "fallo: falta una partición"},
    "withdrawn": {
        "en": "a value is withdrawn, others take its traffic",
        "es": "un valor se retira y otros lo sustituyen",
    },
    "outage": {"en": "fault: columns come empty", "es": "fallo: columnas que llegan vacías"},
}
SHAPE_WORDS: dict[Shape, Words] = {
    "none": {"en": "", "es": ""},
    "sudden": {"en": "", "es": ""},
    "gradual": {"en": ", gradually", "es": ", poco a poco"},
    "recurring": {"en": ", on and off", "es": ", de forma intermitente"},
}
"""How scenarios are named to people."""


@dataclass(frozen=True)
class Scenario:
    """What is done to the history before it is replayed."""

    kind: ScenarioKind
    shape: Shape = "none"
    begin: float = 0.4
    """Share of the replayed rows after which it begins."""
    end: float = 1.0
    """Share after which it is over."""
    strength: float = 1.0
    """Standard deviations, factors or shares, as docs/rehearsing.md says of each kind."""

    @property
    def name(self) -> str:
        """For file names and tables: ``mean_sudden``."""
        return self.kind if self.shape in {"none", "sudden"} else f"{self.kind}_{self.shape}"

    @property
    def title(self) -> Words:
        """For people."""
        return {code: SCENARIO_WORDS[self.kind][code] + SHAPE_WORDS[self.shape][code] for code in ("en", "es")}

    @property
    def wanted(self) -> Wanted:
        """What a good loop answers."""
        if self.kind in {"unit", "partition", "outage"}:
            return "fix data"
        return "nothing" if self.kind == "still" else "renew"

    @property
    def injected(self) -> bool:
        """Whether something is changed from `begin` on."""
        return self.kind not in {"history", "still", "delay"}


@dataclass(frozen=True)
class Settings:
    """The keys of `[watch]` and `[renew]` that a rehearsal varies."""

    window: int
    drift: float
    min_truths: int
    cool_down: str


@dataclass(frozen=True)
class Pace:
    """The fast clock."""

    look_every_s: float
    delay_s: float
    """From a row to its truth."""
    assumed_step_s: float | None = None
    """Seconds between rows where no column tells their time; None where one does."""


@dataclass(frozen=True)
class Job:
    """One replay: a scenario, a seed, the settings, a stretch of the history and who takes part."""

    scenario: Scenario
    seed: int
    settings: Settings
    first: int
    """Row of the history at which the replay begins; all before it is known from the start."""
    last: int
    """Row after the last one."""
    strategies: tuple[Strategy, ...]
    always_every: int = 1
    """Looks between two fits of always-retrain."""


@dataclass(frozen=True)
class Look:
    """One look of the loop, on the time line."""

    at: float
    n_served: int
    """Rows served so far."""
    alarms: tuple[str, ...]
    """``"drift power"``, ``"performance"``."""
    action: str
    """What the policy said."""
    promoted: bool | None = None
    """Whether the challenger took over; None where there was no retraining."""
    reason: Words = field(default_factory=dict)
    """Of every answer but a quiet `wait`."""


@dataclass(frozen=True)
class Course:
    """What one strategy came to in one replay."""

    strategy: Strategy
    mean_loss: float
    """Over the rows judged."""
    block_losses: tuple[float, ...]
    """Mean loss of each block of consecutive rows: what comparisons are made of."""
    look_losses: tuple[float | None, ...]
    """Mean loss of the rows served before each look; None where there were none."""
    n_retrained: int
    n_promoted: int
    rows_fitted: int
    """Rows in all retrainings together: a cost that does not depend on the machine."""
    cpu_seconds: float
    """Of all retrainings: it does."""


@dataclass(frozen=True)
class Replayed:
    """One finished replay."""

    job: Job
    n_rows: int
    n_judged: int
    """Rows on which losses are compared: all, or those after the injected change."""
    begin: float | None
    """When the injected change began; None where there is none."""
    began_row: int | None
    end: float
    """When the replay ended."""
    started: float
    looks: tuple[Look, ...]
    courses: tuple[Course, ...]
    rows_always: int = 0
    """Rows that retraining at every look fits, counted: also where nobody fitted them."""

    def course(self, strategy: Strategy) -> Course | None:
        """Return one strategy's course, or None where it did not take part."""
        return next((one for one in self.courses if one.strategy == strategy), None)


@dataclass(frozen=True)
class Against:
    """The loop against another strategy."""

    strategy: Strategy
    comparison: Comparison
    """Loop (candidate) against it (reference), over blocks of consecutive rows, all seeds: of histories like this."""
    here: Comparison
    """The same of this very history, its changes given."""
    neighbours: float | None
    """Correlation of a block's difference with the next one's: far above 0, the interval is too narrow."""
    mean_loss: float
    n_retrained: float
    """Mean over seeds."""
    rows_fitted: float
    cpu_seconds: float
    cost_ratio: float | None
    """Rows that the loop fitted for each that this strategy fitted; None where that fitted none."""


@dataclass(frozen=True)
class Outcome:
    """What a scenario came to, over its seeds."""

    scenario: Scenario
    n_seeds: int
    detected: float | None
    """Share of seeds in which an alarm began after the change; None without an injected change."""
    delay_rows: float | None
    """Median rows from the change to that alarm, of the seeds that had one."""
    delay_s: float | None
    acted: float | None
    """Share of seeds in which the wanted answer was given: a retraining, or for a fault `fix data`."""
    acted_delay_s: float | None
    false_alarms_month: float | None
    """Alarms that began while nothing had changed, in 30 days; None where nothing is known to stand still."""
    still_days: float
    """Days, over all seeds, that rate rests on."""
    retrained_on_fault: float | None
    """Retrainings while a fault lasted, mean over seeds; None of scenarios without a fault."""
    loop_loss: float
    loop_retrained: float
    loop_promoted: float
    loop_rows_fitted: float
    loop_cpu_seconds: float
    against: tuple[Against, ...]
    reason: Words
    """One sentence."""
    rows_always: float = 0.0
    """Rows that retraining at every look fits, counted, mean over seeds."""
    cost_share: float | None = None
    """Rows that the loop fitted for each of those; None where there are none."""


@dataclass(frozen=True)
class SettingTried:
    """One setting of the grid, on the first half of the history."""

    settings: Settings
    mean_loss: float
    rows_fitted: int
    n_retrained: int
    false_alarms_month: float
    against_best: Comparison | None
    """This setting (candidate) against the one with the lowest loss; None of that one."""


@dataclass(frozen=True)
class Recommendation:
    """Settings for this project, chosen on the first half of its history and reported on the second."""

    chosen: Settings
    current: Settings
    keep_current: bool
    tried: tuple[SettingTried, ...]
    second_half: Comparison | None
    """Chosen (candidate) against current (reference) on the second half; None where they are the same."""
    rows_fitted_chosen: int
    rows_fitted_current: int
    toml: str
    """To paste into cauce.toml."""
    reason: Words


@dataclass(frozen=True)
class Rehearsal:
    """What `cauce rehearse` gives."""

    model: str
    task: str
    rung: str
    params: Mapping[str, int | float | str | bool]
    rung_from: Literal["champion", "ladder"]
    """Whether the rung is that of the release in service, or was chosen on the first rows."""
    loss: str
    n_history: int
    n_first: int
    """Rows that the first model was made from."""
    seeds: int
    seed: int
    pace: Pace
    settings: Settings
    outcomes: tuple[Outcome, ...]
    timeline: Replayed
    """The history as it was: what the loop would have done."""
    recommendation: Recommendation | None
    warnings: tuple[Words, ...]
    fingerprint: str

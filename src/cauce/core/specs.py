"""The keys of cauce.toml as frozen models: the one place where a key, its type, default and meaning stand.

`project/` reads the file into these; every room takes the part it needs. Unknown keys are refused. The field
descriptions become the JSON Schema that editors complete from.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cauce.core.alert_specs import AlertSpec
from cauce.core.renewing import RenewSpec as RenewSpec
from cauce.core.spec import Duration, Name, Spec, Texts
from cauce.core.spec import seconds as seconds

Severity = Literal["info", "warn", "block"]
SplitKind = Literal["auto", "random", "stratified", "group", "time"]
LossName = Literal["log", "zero_one", "squared", "absolute"]
Format = Literal["auto", "csv", "parquet", "jsonl", "excel", "duckdb", "sqlite", "postgres", "delta", "bigquery"]
Encoding = Literal["utf-8", "windows-1252", "latin-1", "utf-16"]
FairnessMetric = Literal["demographic_parity", "equalized_odds", "equal_opportunity", "error_rate"]
Mitigation = Literal["off", "balance", "reweigh", "reductions", "thresholds"]
SearchKind = Literal["bayes", "random", "grid"]
DecisionMetric = Literal["accuracy", "balanced_accuracy", "f1", "mcc"]
Direction = Literal["increasing", "decreasing"]


class ProjectSpec(Spec):
    """`[project]`: the project as a whole."""

    name: Name
    """The project's name, shown on every page."""
    language: Literal["en", "es"] = "en"
    """Language of reports and of the console."""


class JoinSpec(Spec):
    """`[data.NAME.join.OTHER]`: columns of another data set, as they were known at each row's time."""

    by: Texts = Field(min_length=1)
    """Columns that both data sets share and are matched by."""
    known_at: str | None = None
    """Column of OTHER that says since when a row of it was known; its `time` when absent."""
    columns: Texts | None = None
    """Columns taken from OTHER; all but those matched by, when absent. Named `OTHER_column` where a name is taken."""
    within: Duration | None = None
    """Oldest value that is still taken, before the row's time, as 30d; any age when absent."""


class PopulationSpec(Spec):
    """`[data.NAME.population]`: whom the rows ought to stand for."""

    reference: Name | None = None
    """Another data set of the project whose columns of the same name say how the population is made up."""
    shares: dict[str, dict[str, Annotated[float, Field(ge=0.0, le=1.0)]]] = {}
    """Column → value → its share of the population, as `[data.NAME.population.shares.sex] female = 0.51`."""


class DataSpec(Spec):
    """`[data.NAME]`: where rows come from and how they are stored."""

    source: str
    """A file, relative to cauce.toml (CSV, Parquet, JSON Lines, Excel, a DuckDB or SQLite database, a folder with a
    Delta table), or an address: `gs://bucket/file.parquet`, `postgresql://user@host/database`,
    `bigquery://project/dataset`. Passwords come from the environment, never from here."""
    format: Format = "auto"
    """Format of the source; `auto` decides by the file's ending or the address."""
    table: str | None = Field(default=None, min_length=1)
    """Table or view of a database, as `orders` or `sales.orders`; sheet of an Excel file, the first when absent."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """Delimiter of a CSV source; found by itself when absent."""
    encoding: Encoding | None = None
    """Encoding of a CSV source, UTF-8 when absent; what Excel saves as CSV in Western Europe is windows-1252."""
    where: str | None = None
    """A SQL condition on the source's columns: only rows that fulfil it are loaded."""
    prepare: Texts = ()
    """Steps from the source's rows to the snapshot's: SQL files (`prepare/enrolments.sql`) and functions that take and
    return an Ibis table (`prepare.py:enrolments`), in order. They run on DuckDB, or within BigQuery."""
    join: dict[Name, JoinSpec] = {}
    """Other data sets joined after `prepare`, as they were known at each row's `time`."""
    rows: Texts = ()
    """Row functions (`features.py:price_per_m2`): new columns computed from a row's own, at loading and, in the
    release, for every request."""
    key: str | None = None
    """Column that names a row, unique in the data set."""
    time: str | None = None
    """Column that says when a row was true; makes the split by time."""
    group: str | None = None
    """Column whose rows belong together (user, school): never shared by both sides of a split by group."""
    watermark: str | None = None
    """Column that grows whenever a row is new or changed: a load reads only rows from its newest value on and merges
    them by `key`. The whole source is read when absent."""
    late: Duration = "0s"
    """How far before the newest watermark rows may still arrive, as 2d: that stretch is read again."""
    deleted: str | None = None
    """Boolean column that marks rows as deleted at the source: they leave the snapshot."""
    partition_by: Texts = ()
    """Columns by whose values the Delta table is partitioned."""
    cluster_by: Texts = ()
    """Columns by which the Delta table's files are Z-ordered."""
    keep: Duration | None = None
    """How long old snapshots are kept, as 90d; for ever when absent. Those that releases were trained on stay."""
    population: PopulationSpec = PopulationSpec()
    """Whom the rows ought to stand for."""


class SplitSpec(Spec):
    """`[models.NAME.split]`: which rows judge and which rows teach."""

    kind: SplitKind = "auto"
    """`auto`: by time where the data set names a time column, by group where it names a group, else stratified for
    classify and random for regress. Copies of a row stay together."""
    held_out: float = Field(default=0.2, gt=0.0, lt=0.9)
    """Share of the units that is set aside for the final judgement."""
    folds: int | None = Field(default=None, ge=2, le=20)
    """Folds that compare the rungs; 5, or 3 from 50,000 rows on, when absent."""
    seed: int = Field(default=0, ge=0)
    """Seed of everything random in this model's training."""


class FairnessSpec(Spec):
    """`[models.NAME.fairness]`: gaps between the groups of the sensitive columns."""

    metric: FairnessMetric = "demographic_parity"
    """What is compared. demographic_parity: shares of the favoured outcome predicted; equal_opportunity: shares of the
    favoured outcomes that are found; equalized_odds: the larger gap of those and of false alarms; error_rate:
    errors."""
    favoured: str | None = None
    """Class that people want to be given; the rarer of two classes when absent."""
    max_gap: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Largest gap between groups that is let pass: a gap proven larger blocks. Without it, gaps are reported only."""
    mitigate: Mitigation = "off"
    """What the training does about gaps. balance: classes weigh alike within each group; reweigh: group and outcome
    made independent by weights; reductions: Fairlearn's exponentiated gradient; thresholds: a threshold for each
    group."""
    strength: float = Field(default=1.0, gt=0.0, le=1.0)
    """How much of the gap the mitigation aims to take away: 1 all of it, 0.5 half. `cauce fairness MODEL` shows what
    each strength costs."""
    at_prediction: bool = False
    """Whether the sensitive columns may be used at prediction; `thresholds` needs it."""


class ReduceSpec(Spec):
    """`[models.NAME.reduce]`: fewer rows to choose and tune on, once held-out units prove that they will do."""

    when: Literal["auto", "always", "off"] = "always"
    """auto: where it pays, from 20,000 rows on and where something is tuned. `reduce = "auto"` in place of the table
    says this key alone."""
    keep: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Share of the rows to try first, then twice and four times as much; 2, 5, 10, 20 and 40 % when absent."""
    margin: float | None = Field(default=None, gt=0.0, lt=1.0)
    """The largest loss that it may cost, relative to the loss from all rows; the model's own margin when absent."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    """Confidence that it costs no more, overall and in every group of the sensitive columns."""
    budget: Duration = "60s"
    """Time of each search; judging takes its own."""
    accept_provable: bool = False
    """Accept the smallest margin that the units at hand can prove, where that is larger than the one asked for."""
    clean: bool = False
    """Leave out rows that are probably mislabelled before searching."""


def _when(value: object) -> object:
    """Take a word where a table is meant."""
    return {"when": value} if isinstance(value, str) else value


Reducing = Annotated[
    ReduceSpec, BeforeValidator(_when, json_schema_input_type=Literal["auto", "always", "off"] | ReduceSpec)
]


class ChallengerSpec(Spec):
    """`[models.NAME.challenger]`: what the service does with the release that holds the alias `challenger`."""

    shadow: bool = False
    """Score what the champion answers a second time, off the way of answers, and keep it in the ledger beside them."""
    share: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of units that the challenger answers, as 0.1: an A/B split. A unit always meets the same release."""
    experiment: Name = "first"
    """Name of the experiment: another name deals the units anew."""


class ModelSpec(Spec):
    """`[models.NAME]`: what is predicted, from what, and how good is good enough."""

    task: str
    """Kind of problem: classify, regress."""
    data: Name
    """Name of the data set, as in `[data.NAME]`."""
    target: str
    """Column to predict."""
    features: tuple[str, ...] | None = None
    """Columns to predict from; all but target, key, time, group and watermark when absent."""
    ignore: tuple[str, ...] = ()
    """Columns left out of the features."""
    loss: LossName | None = None
    """Loss per unit. classify: log (default) or zero_one; regress: squared (default) or absolute."""
    margin: float = Field(default=0.01, ge=0.0, lt=1.0)
    """The smallest difference that matters, relative to the reference's mean loss."""
    budget: Duration | None = None
    """Wall-clock time for choosing, tuning and the final fit, as 60s, 10m, 1h, begun once a first model exists. Without
    `budget` and `trials` small data are tuned by a few trials and large ones not at all."""
    trials: int | None = Field(default=None, ge=0, le=10_000)
    """Settings that tuning tries for each rung that can be tuned: the same result for any number of workers. 0 tunes
    nothing."""
    search: SearchKind = "bayes"
    """How tuning picks the next settings: bayes learns from the trials before, random does not, grid covers evenly."""
    must_use: Texts = ()
    """Rungs that alone may be chosen, as `["linear"]`; those below them are fitted for comparison."""
    never_use: Texts = ()
    """Rungs that are left out."""
    interpretable: bool = False
    """Choose only rungs whose every prediction can be read from a table or a curve per column."""
    max_latency_ms: float | None = Field(default=None, gt=0.0)
    """Longest that one row may take, in milliseconds, measured on this machine without HTTP."""
    max_size_mb: float | None = Field(default=None, gt=0.0)
    """Largest saved model, in MB of 1,000,000 bytes."""
    monotone: dict[str, Direction] = {}
    """Column → whether the prediction may only rise (`increasing`) or fall (`decreasing`) with it; classify: that of
    the second of two classes."""
    weight: str | None = None
    """Column that says how many rows a row stands for: it weighs in fitting and in the mean loss, and is no input."""
    metric: DecisionMetric | None = None
    """What the decision between classes aims at: f1 is that of the rarer of two classes, or the mean over more. When
    absent it is F1 where the rarer of two classes is under a fifth of the rows and that is proven better than the
    likeliest class, which is said everywhere else. The loss still chooses the model."""
    costs: dict[str, Annotated[float, Field(gt=0.0)]] = {}
    """Class → what it costs to miss a row of it, 1 when absent, as `fraud = 50`: decisions are the cheapest."""
    split: SplitSpec = SplitSpec()
    """How rows are set aside."""
    reduce: Reducing = ReduceSpec(when="off")
    """Fewer rows for choosing and tuning. auto: where it pays, from 20,000 rows on and where something is tuned; a
    table (`[models.NAME.reduce]`) asks for it anyway, with settings of its own."""
    sensitive: Texts = ()
    """Columns (sex, age group, origin) across which outcomes and errors are compared. List them under `ignore` too if
    the model must not see them."""
    fairness: FairnessSpec = FairnessSpec()
    """How large a gap between groups may be, and what is done about it."""
    challenger: ChallengerSpec = ChallengerSpec()
    """What the service does with a challenger."""
    log: dict[str, Literal[False, "hash"]] = {}
    """Input column → how the ledger keeps it: not at all (`false`), or as a keyed hash (`"hash"`). `unit` stands for
    the request's unit."""
    watch: WatchSpec | None = None
    """Keys of `[watch]` that are different for this model; the others are the project's."""
    renew: RenewSpec | None = None
    """Keys of `[renew]` that are different for this model; the others are the project's."""


class CheckSpec(Spec):
    """`[audit.checks.CODE]`: one check's severity and threshold, or a written acceptance."""

    severity: Severity | Literal["off"] | None = None
    """Severity in place of the check's own; `off` skips the check."""
    threshold: float | None = None
    """Threshold in place of the check's own; its meaning stands in docs/checks.md."""
    accept: str | None = Field(default=None, min_length=10)
    """Why its findings are accepted: a sentence that lands in the record; accepted ones stop nothing."""


class AuditSpec(Spec):
    """`[audit]`: what stops a training."""

    checks: dict[str, CheckSpec] = {}
    """Settings per check, by its code."""
    own: Texts = ()
    """Python files of the project whose functions are checks too (`checks.py`)."""


class WatchSpec(Spec):
    """`[watch]`: when a window speaks."""

    window: int = Field(default=1000, ge=50)
    """Predictions in the window that is compared with training: the newest ones."""
    min_rows: int = Field(default=200, ge=20)
    """Fewest predictions, and fewest truths, from which anything is concluded."""
    drift: float = Field(default=0.2, gt=0.0)
    """Population stability index of a column from which it counts as drifted, once chance is ruled out."""
    confidence: float = Field(default=0.99, gt=0.5, lt=1.0)
    """Confidence that a signal is not chance, over all columns together: of a day, however often one looks."""
    live: bool = True
    """Whether the service counts incoming values in the bins of training, for Prometheus."""


class ServeSpec(Spec):
    """`[serve]`: the service."""

    host: str = "127.0.0.1"
    """Address to listen on. Others than loopback need a token file."""
    port: int = Field(default=8321, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    max_body_mb: float = Field(default=8.0, gt=0.0)
    """Largest request body, in MB of 1,000,000 bytes."""
    max_rows: int = Field(default=10_000, ge=1)
    """Most rows in one predict request."""
    unseen_categories: Literal["refuse", "accept"] = "refuse"
    """What to do with a value that a column with a closed list of categories never had in training."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that answer on the one port and share the models' memory; one answers thousands of rows a second."""
    batching: bool = True
    """Predict rows of several requests together where that is quicker for them all; a request alone never waits."""
    max_in_flight: int = Field(default=256, ge=1, le=100_000)
    """Requests that a worker holds at once; more are answered 429."""
    deadline: Duration = "30s"
    """Longest that a request may wait for its turn; a client may ask for less with `Cauce-Deadline-Ms`. Then 503."""
    requests_per_second: float | None = Field(default=None, gt=0.0)
    """Requests that each token may send a second, over all workers, with a burst of twice as many; more are answered
    429. A token's own limit goes before it."""
    durability: Literal["acknowledged", "relaxed"] = "acknowledged"
    """acknowledged: an answer leaves once its prediction is on the disk. relaxed: it leaves at once, and a power cut
    may take the last second of predictions. Truths are always on the disk first."""
    retention_days: int | None = Field(default=None, ge=1)
    """Days after which predictions and their truths are erased from the ledger; never when absent."""
    tls_certificate: str | None = None
    """PEM file of the certificate and its chain, relative to cauce.toml; with `tls_key` the service speaks HTTPS."""
    tls_key: str | None = None
    """PEM file of the certificate's private key, readable by its owner alone."""
    log: Literal["text", "json"] = "text"
    """How the service's log is written, to stderr: lines for people, or a JSON object a line."""
    traces: str | None = None
    """URL of an OpenTelemetry collector, as `http://127.0.0.1:4318/v1/traces`. Nothing is sent when absent."""


class File(Spec):
    """The whole of cauce.toml."""

    project: ProjectSpec
    """The project as a whole."""
    data: dict[Name, DataSpec] = {}
    """Data sets by name."""
    models: dict[Name, ModelSpec] = {}
    """Models by name."""
    audit: AuditSpec = AuditSpec()
    """What stops a training."""
    watch: WatchSpec = WatchSpec()
    """When a window speaks."""
    renew: RenewSpec = RenewSpec()
    """When to retrain and when to promote."""
    serve: ServeSpec = ServeSpec()
    """The service."""
    alert: AlertSpec = AlertSpec()
    """Who is told, and of what."""

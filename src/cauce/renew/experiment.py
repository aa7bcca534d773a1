"""A promotion as an experiment: gate → shadow → split → switch → probation. A pure function: no clock, no files.

Which stages there are is said by `[models.NAME.challenger]`: neither shadow nor share, and what is proven better at the
gate takes the alias. With a shadow, the gate refuses what is proven worse, and the shadow proves better. With a split
after it, the shadow lets through what is proven not worse, and the split proves better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from cauce.core.artefacts import Action, Comparison, Decision, Experiment, Stage, Words
from cauce.core.names import uuid7
from cauce.core.specs import ChallengerSpec, RenewSpec, seconds
from cauce.renew import stage_words as words

SLOWER_MS = 5.0
"""Milliseconds a row that a challenger must take more before a ratio of times matters to anybody."""
UNFAIR = 0.001
"""Sample-ratio p-value below which a split did not deal units as the file says."""


@dataclass(frozen=True)
class Plan:
    """What the file asks of an experiment."""

    shadow: bool = False
    share: float = 0.0
    approval: bool = False
    """Whether a person approves."""
    truths: int = 20_000
    time_s: float = 30 * 86_400.0
    probation_truths: int = 2_000
    probation_s: float = 7 * 86_400.0
    latency_ratio: float = 3.0

    @classmethod
    def of(cls, challenger: ChallengerSpec, renew: RenewSpec) -> Plan:
        """Return the plan that the keys make."""
        return cls(
            shadow=challenger.shadow,
            share=challenger.share,
            approval=renew.approve == "person",
            truths=renew.experiment_truths,
            time_s=seconds(renew.experiment_time),
            probation_truths=renew.probation_truths,
            probation_s=seconds(renew.probation),
            latency_ratio=renew.latency_ratio,
        )

    @property
    def live(self) -> tuple[Stage, ...]:
        """The stages on live requests between gate and switch."""
        stages: tuple[tuple[Stage, bool], ...] = (("shadow", self.shadow), ("split", self.share > 0))
        return tuple(stage for stage, wanted in stages if wanted)


@dataclass(frozen=True)
class Evidence:
    """What is known of one stage so far."""

    comparison: Comparison | None = None
    """Challenger (candidate) against champion; in a probation the new champion against the one before. None: no row
    could judge yet."""
    n_requests: int = 0
    n_scores: int = 0
    guards: Mapping[str, float] = field(default_factory=dict)
    """``latency_ratio``, ``slower_ms``, ``sample_ratio_p`` …; what could not be measured is missing."""
    groups: Mapping[str, Comparison] = field(default_factory=dict)
    """Sensitive group → its comparison."""

    def counted_by(self, loss: str) -> Evidence:
        """Return the same, with what its losses are: of squared errors sentences give the roots of means too."""
        squared = loss == "squared"
        found = self.comparison and replace(self.comparison, squared=squared)
        groups = {name: replace(one, squared=squared) for name, one in self.groups.items()}
        return replace(self, comparison=found, groups=groups)


class Step(NamedTuple):
    """Where an experiment stands after a look at it."""

    experiment: Experiment
    decision: Decision | None
    """What is to be recorded and carried out; None where the experiment stays in its stage."""


def breach(evidence: Evidence, plan: Plan) -> Words | None:
    """Return which guard does not hold, in words, or None."""
    for name, found in evidence.groups.items():
        if found.lower > found.margin:
            return words.group_worse(name, found)
    ratio, slower = evidence.guards.get("latency_ratio"), evidence.guards.get("slower_ms")
    if ratio is not None and slower is not None and ratio > plan.latency_ratio and slower > SLOWER_MS:
        return words.slow(ratio, slower, plan.latency_ratio)
    chance = evidence.guards.get("sample_ratio_p")
    if chance is not None and chance < UNFAIR:
        return words.unfair(chance)
    return None


def enter(judged: Decision, evidence: Evidence, plan: Plan, *, unjudged: bool = False) -> Decision:
    """Return what the gate's judgement leads to: a refusal, a stage on live requests, a question, or the switch.

    Parameters
    ----------
    judged
        What `promote.judge` said, or `promote.unjudged`, `promote.fairer`.
    evidence
        Guards and groups on the gate's rows.
    unjudged
        Whether no row could judge: a shadow may then.
    """
    found, champion, challenger = judged.comparison, judged.champion, judged.challenger
    if champion is None or challenger is None:
        return judged
    begun = Experiment(
        model=judged.model,
        stage="gate",
        champion=champion,
        challenger=challenger,
        begun_at=judged.at,
        stage_at=judged.at,
        reason=judged.reason,
        n_requests=0 if found is None else found.n_units,
        n_scores=0 if found is None else 2 * found.n_units,
        comparison=found,
        guards=evidence.guards,
        gate=found,
        groups=evidence.groups,
    )
    good, live = judged.action == "promote", plan.live
    refused = breach(evidence, plan)
    if refused is not None and (good or live):
        return replace(judged, action="wait", reason=words.joined(words.refused(begun), refused), rule="guard")
    if found is None and good:  # what weighs more than a loss is neither tried nor taken back for one
        return _ask(begun, judged, judged.reason) if plan.approval else judged
    if live and found is not None and found.verdict != "worse" and found.n_clusters > 1:
        return _into(begun, live[0], judged.at, words.enters(begun, live[0], found), judged)
    if unjudged and live[:1] == ("shadow",):
        return _into(begun, "shadow", judged.at, words.enters(begun, "shadow", None), judged)
    if not good:
        return replace(judged, rule="gate")
    return _switch(begun, plan, judged.at, judged.reason, judged)


def step(experiment: Experiment, evidence: Evidence, plan: Plan, now: datetime) -> Step:
    """Return where an experiment stands by its newest evidence, and what is decided, if anything.

    Parameters
    ----------
    experiment
        As recorded.
    evidence
        Of its stage, all so far.
    plan
        What the file asks now.
    """
    if experiment.stage == "ended":
        return Step(experiment, None)
    seen = replace(
        experiment,
        comparison=evidence.comparison if evidence.comparison is not None else experiment.comparison,
        n_requests=max(evidence.n_requests, experiment.n_requests),
        n_scores=max(evidence.n_scores, experiment.n_scores),
        guards=evidence.guards or experiment.guards,
        groups=evidence.groups or experiment.groups,
    )
    if experiment.stage == "gate":
        decision = None if plan.approval else _switch(seen, plan, now, words.no_approval(seen))
    elif experiment.stage == "probation":
        decision = _probation(seen, evidence, plan, now)
    else:
        decision = _live(seen, evidence, plan, now)
    return Step(seen if decision is None else decision.experiment or ended(seen, now, decision.reason), decision)


def ended(experiment: Experiment, now: datetime, reason: Words) -> Experiment:
    """Return an experiment at its end."""
    return replace(experiment, stage="ended", stage_at=now, reason=reason, asks=None)


def by_person(experiment: Experiment, decision: Decision, plan: Plan) -> Experiment:
    """Return where an experiment stands after a person moved the alias: approved, or ended."""
    approved = decision.action == "promote" and decision.challenger == experiment.challenger
    by_loss = experiment.gate is not None or experiment.stage != "gate"
    if approved and experiment.asks == "promote" and by_loss and plan.probation_s > 0:
        return _at(experiment, "probation", decision.at, decision.reason)
    return ended(experiment, decision.at, decision.reason)


def _live(seen: Experiment, evidence: Evidence, plan: Plan, now: datetime) -> Decision | None:
    """Judge a shadow or a split."""
    if seen.stage not in plan.live:
        if seen.gate is not None and seen.gate.verdict == "better":
            return _switch(seen, plan, now, words.stage_gone(seen, better=True))
        return _end(seen, now, words.stage_gone(seen, better=False), "stage_gone")
    refused = breach(evidence, plan)
    if refused is not None:
        return _end(seen, now, words.joined(words.refused(seen), refused), "guard")
    found = evidence.comparison
    if found is not None and found.verdict == "worse":
        return _end(seen, now, words.proven(seen, found, "worse"), "worse")
    if seen.asks is not None:
        return None if plan.approval else _switch(seen, plan, now, words.no_approval(seen))
    if found is not None:
        if seen.stage == "shadow" and "split" in plan.live:
            if found.verdict == "better" or found.not_worse:
                return _into(seen, "split", now, words.enters(seen, "split", found))
        elif found.verdict == "better":
            return _switch(seen, plan, now, words.proven(seen, found, "better"))
        elif found.verdict == "equivalent":
            return _end(seen, now, words.proven(seen, found, "equivalent"), "equivalent")
    n_truths = 0 if found is None else found.n_units
    if n_truths >= plan.truths or (now - seen.stage_at).total_seconds() >= plan.time_s:
        return _end(seen, now, words.undecided(seen, found, n_truths), "limit")
    return None


def _probation(seen: Experiment, evidence: Evidence, plan: Plan, now: datetime) -> Decision | None:
    """Judge a new champion against the one before."""
    refused, found = breach(evidence, plan), evidence.comparison
    if refused is None and found is not None and found.verdict == "worse":
        refused = words.fell_back(seen, found)
    if refused is not None:
        reason = words.joined(words.taken_back(seen), refused)
        held, before = seen.challenger, seen.champion
        return _decision(seen, "roll back", now, reason, "breach", holds=held, takes=before, after=None)
    n_truths = 0 if found is None else found.n_units
    if n_truths >= plan.probation_truths or (now - seen.stage_at).total_seconds() >= plan.probation_s:
        return _end(seen, now, words.passed(seen, found, n_truths), "passed", holds=seen.challenger)
    return None


def _switch(
    experiment: Experiment, plan: Plan, now: datetime, reason: Words, judged: Decision | None = None
) -> Decision:
    """Let the challenger take over, or ask a person for it."""
    if plan.approval and judged is not None:
        return _ask(experiment, judged, reason)
    if plan.approval:
        return _ask(experiment, _decision(experiment, "wait", now, reason, "asks"), reason)
    on = plan.probation_s > 0
    after = _at(experiment, "probation", now, reason) if on else ended(experiment, now, reason)
    made = judged or _decision(experiment, "promote", now, reason, "better")
    return _placed(replace(made, action="promote", rule=made.rule or "better"), after)


def _ask(experiment: Experiment, made: Decision, reason: Words) -> Decision:
    """Wait for a person, whose `cauce promote` goes on."""
    asked = words.joined(reason, words.asks(experiment))
    after = replace(experiment, asks="promote", reason=asked)
    return _placed(replace(made, action="wait", reason=asked, rule="asks"), after)


def _into(
    experiment: Experiment, stage: Stage, now: datetime, reason: Words, judged: Decision | None = None
) -> Decision:
    made = judged or _decision(experiment, "wait", now, reason, stage)
    return _placed(replace(made, action="wait", reason=reason, rule=stage), _at(experiment, stage, now, reason))


def _end(experiment: Experiment, now: datetime, reason: Words, rule: str, *, holds: int | None = None) -> Decision:
    made = _decision(experiment, "wait", now, reason, rule, holds=holds)
    return _placed(made, ended(experiment, now, reason))


def _at(experiment: Experiment, stage: Stage, now: datetime, reason: Words) -> Experiment:
    """Return the experiment at the begin of a stage: what the stage before rested on stays in the record."""
    return replace(
        experiment,
        stage=stage,
        stage_at=now,
        reason=reason,
        asks=None,
        n_requests=0,
        n_scores=0,
        comparison=None,
        guards={},
        groups={},
    )


def _decision(
    experiment: Experiment,
    action: Action,
    now: datetime,
    reason: Words,
    rule: str,
    *,
    holds: int | None = None,
    takes: int | None = None,
    after: Experiment | None = None,
) -> Decision:
    """Return a decision about an experiment, with its evidence."""
    made = Decision(
        id=uuid7(int(now.timestamp() * 1000)),
        model=experiment.model,
        at=now,
        action=action,
        reason=reason,
        by="policy",
        champion=experiment.champion if holds is None else holds,
        challenger=experiment.challenger if takes is None else takes,
        comparison=experiment.comparison,
        thresholds=dict(experiment.guards),
        rule=rule,
    )
    return _placed(made, after or ended(experiment, now, reason))


def _placed(decision: Decision, experiment: Experiment) -> Decision:
    """Return a decision with where the experiment stands after it, which bears its id."""
    return replace(decision, experiment=replace(experiment, decision=decision.id))

"""A challenger takes over only when proven better; a person needs a reason."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pytest

from cauce.core.artefacts import Decision
from cauce.core.errors import UserError
from cauce.renew import by_hand, first, judge

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RNG = np.random.default_rng(0)
CHAMPION = RNG.exponential(1.0, 600)


def judged(challenger: npt.NDArray[np.float64], groups: npt.NDArray[np.str_] | None = None) -> Decision:
    return judge(
        CHAMPION, challenger, groups=groups, model="dropout", champion=3, challenger=4, margin=0.01, confidence=0.95,
        watched=None, now=NOW,
    )  # fmt: skip


def test_a_better_challenger_is_promoted_with_its_figures() -> None:
    decision = judged(CHAMPION * 0.8)
    assert decision.action == "promote"
    assert decision.comparison is not None
    assert decision.comparison.verdict == "better"
    assert decision.reason["en"].startswith("On the same 600 units, version 4 has a mean loss of 0.")
    assert decision.reason["en"].endswith("The challenger is better and takes over.")
    assert decision.reason["es"].endswith("El aspirante es mejor y toma el relevo.")
    assert (decision.champion, decision.challenger) == (3, 4)


@pytest.mark.parametrize(
    ("challenger", "english", "spanish"),
    [
        (CHAMPION * 1.3, "The challenger is worse; the champion stays.", "El aspirante es peor"),
        (CHAMPION * 1.0001, "They differ by less than the margin", "Se diferencian en menos que el margen"),
        (CHAMPION + RNG.normal(0, 1, 600), "That proves nothing: so few units", "Eso no prueba nada"),
    ],
)
def test_a_challenger_not_proven_better_leaves_the_champion(
    challenger: npt.NDArray[np.float64], english: str, spanish: str
) -> None:
    decision = judged(challenger)
    assert decision.action == "wait"
    assert english in decision.reason["en"]
    assert spanish in decision.reason["es"]


def test_squared_errors_are_told_with_the_roots_of_their_means_and_differences_without() -> None:
    errors = RNG.normal(0.0, 15_000.0, 4000) ** 2
    decision = judge(
        errors, errors * 0.8, model="pay", champion=3, challenger=4, margin=0.01, confidence=0.95, watched=None,
        now=NOW, squared=True,
    )  # fmt: skip
    assert decision.comparison is not None
    root = round(decision.comparison.mean_reference**0.5)
    assert f" million (root: {root:,})" in decision.reason["en"]
    assert " millones (raíz: " in decision.reason["es"]
    assert decision.reason["en"].count("root:") == 2
    assert "root" not in decision.reason["en"].partition("(difference")[2]


def test_one_group_alone_proves_nothing() -> None:
    decision = judged(CHAMPION * 0.8, np.full(600, "same"))
    assert decision.action == "wait"
    assert decision.reason["en"].startswith("One unit, or one group of units, cannot tell")


def test_equal_models_are_seldom_promoted() -> None:
    rng = np.random.default_rng(1)
    promoted = 0
    for _ in range(400):
        shared = rng.exponential(1.0, 300)
        decision = judge(
            shared + rng.normal(0, 0.2, 300), shared + rng.normal(0, 0.2, 300), model="m", champion=1, challenger=2,
            margin=0.01, confidence=0.95, watched=None, now=NOW,
        )  # fmt: skip
        promoted += decision.action == "promote"
    assert promoted / 400 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 400)


def test_a_person_promotes_with_a_reason_in_their_own_words() -> None:
    decision = by_hand(
        "promote", model="dropout", champion=3, challenger=4, by="ana", reason=" tested by the tutors ", now=NOW
    )
    assert decision.action == "promote"
    assert decision.by == "ana"
    assert decision.reason == {
        "en": "Version 4 promoted by hand (ana): tested by the tutors",
        "es": "Versión 4 promovida a mano (ana): tested by the tutors",
    }


def test_a_retraining_can_be_asked_for_by_hand() -> None:
    decision = by_hand("retrain", model="m", champion=1, by="ana", reason="a new course catalogue", now=NOW)
    assert decision.action == "retrain"
    assert decision.reason["es"] == "Reentrenamiento pedido a mano (ana): a new course catalogue"


def test_the_first_release_takes_over_without_a_comparison() -> None:
    decision = first(model="m", version=1, now=NOW)
    assert (decision.action, decision.champion, decision.challenger) == ("promote", None, 1)
    assert decision.reason["es"] == "La versión 1 es la primera; no hay campeón con el que compararla."


def test_pause_and_resume_are_recorded_as_waiting() -> None:
    for action in ("pause", "resume"):
        decision = by_hand(
            action, model="m", champion=1, challenger=None, by="ana", reason="holidays until May", now=NOW
        )
        assert decision.action == "wait"
    back = by_hand("roll back", model="m", champion=2, challenger=1, by="ana", reason="wrong in Madrid", now=NOW)
    assert back.action == "roll back"
    assert back.reason["es"].startswith("Vuelta a mano a la versión 1")


@pytest.mark.parametrize("reason", ["", "because", "         x"])
def test_a_reason_that_says_nothing_is_refused(reason: str) -> None:
    with pytest.raises(UserError, match="too short for a reason") as error:
        by_hand("promote", model="m", champion=1, challenger=2, by="ana", reason=reason, now=NOW)
    assert error.value.where == "reason of promote"
    assert error.value.hint

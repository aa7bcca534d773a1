"""What the record says of an experiment's stages, in English and Spanish."""

from __future__ import annotations

from typing import Literal

from cauce.core.artefacts import Comparison, Experiment, Stage, Words
from cauce.core.figures import losses, numbers
from cauce.renew.compared import compared

NAMES: dict[Stage, tuple[str, str]] = {
    "gate": ("the gate", "la puerta"),
    "shadow": ("the shadow", "la sombra"),
    "split": ("the split", "el reparto"),
    "probation": ("the probation", "la prueba"),
    "ended": ("the end", "el final"),
}


def joined(*parts: Words) -> Words:
    """Return sentences one after the other."""
    return {language: " ".join(part[language] for part in parts) for language in ("en", "es")}


def _both(english: str, spanish: str) -> Words:
    return {"en": english, "es": spanish}


def _figures(experiment: Experiment, found: Comparison) -> Words:
    same = experiment.stage != "split"
    return _both(*compared(found, experiment.champion, experiment.challenger, same=same))


def group_worse(name: str, found: Comparison) -> Words:
    """Say which group fares worse."""
    new, old = (losses(mean, squared=found.squared) for mean in (found.mean_candidate, found.mean_reference))
    counted = numbers(found.n_units)
    return _both(
        f"For {name} it is proven worse: a mean loss of {new[0]} against {old[0]} on {counted[0]} units.",
        f"Para {name} está demostrado que es peor: una pérdida media de {new[1]} frente a {old[1]} en {counted[1]} "
        "unidades.",
    )


def slow(ratio: float, slower_ms: float, limit: float) -> Words:
    """Say how much slower it is."""
    times, more, most = numbers(ratio), numbers(slower_ms), numbers(limit)
    return _both(
        f"It takes {times[0]} times as long for a row ({more[0]} ms more); [renew] latency_ratio allows {most[0]}.",
        f"Tarda {times[1]} veces más por fila ({more[1]} ms más); [renew] latency_ratio permite {most[1]}.",
    )


def unfair(chance: float) -> Words:
    """Say that a split did not deal as it should."""
    p = numbers(chance)
    return _both(
        f"The split did not deal units as the file says (p = {p[0]}), so it judges nothing: look for a challenger that "
        "fails to load, or for requests that change their unit.",
        f"El reparto no asignó las unidades como dice el fichero (p = {p[1]}), así que no juzga nada: busca un "
        "aspirante que no se cargue o peticiones que cambien de unidad.",
    )


def refused(experiment: Experiment) -> Words:
    """Say that a guard ends it."""
    en, es = NAMES[experiment.stage]
    return _both(
        f"Version {experiment.challenger} is refused in {en}; version {experiment.champion} stays.",
        f"La versión {experiment.challenger} queda rechazada en {es}; sigue la versión {experiment.champion}.",
    )


def enters(experiment: Experiment, stage: Stage, found: Comparison | None) -> Words:
    """Say that it goes into a stage on live requests."""
    what = {
        "shadow": (
            "It goes into the shadow: it scores what the champion answers, and nobody sees it.",
            "Entra en la sombra: puntúa lo que responde el campeón y nadie lo ve.",
        ),
        "split": (
            "It goes into the split: it answers its share of the units.",
            "Entra en el reparto: responde a su parte de las unidades.",
        ),
    }[str(stage)]
    if found is None:
        before = _both(
            f"No row could judge version {experiment.challenger} beforehand.",
            f"Ninguna fila pudo juzgar de antemano a la versión {experiment.challenger}.",
        )
        return joined(before, _both(*what))
    so = {
        "better": ("It is better so far.", "Por ahora es mejor."),
        "equivalent": ("So far they are the same within the margin.", "Por ahora son iguales dentro del margen."),
    }.get(found.verdict, ("It is not proven worse.", "No está demostrado que sea peor."))
    return joined(_figures(experiment, found), _both(*so), _both(*what))


def proven(experiment: Experiment, found: Comparison, what: Literal["better", "worse", "equivalent"]) -> Words:
    """Say what live requests have proven."""
    endings = {
        "better": ("The challenger is better and takes over.", "El aspirante es mejor y toma el relevo."),
        "worse": ("The challenger is worse; the champion stays.", "El aspirante es peor; el campeón se queda."),
        "equivalent": (
            "They differ by less than the margin; the champion stays.",
            "Se diferencian en menos que el margen; el campeón se queda.",
        ),
    }
    return joined(_figures(experiment, found), _both(*endings[what]))


def undecided(experiment: Experiment, found: Comparison | None, n_truths: int) -> Words:
    """Say that a limit was reached without a proof."""
    en, es = NAMES[experiment.stage]
    counted = numbers(n_truths)
    end = _both(
        f"After {counted[0]} rows with truths nothing is proven, and {en} ends; version {experiment.champion} stays.",
        f"Tras {counted[1]} filas con resultado no hay nada demostrado y termina {es}; sigue la versión "
        f"{experiment.champion}.",
    )
    return end if found is None else joined(_figures(experiment, found), end)


def stage_gone(experiment: Experiment, *, better: bool) -> Words:
    """Say that the file no longer asks for the stage."""
    en, es = NAMES[experiment.stage]
    if better:
        return _both(
            f"The file no longer asks for {en}, and the gate had proven version {experiment.challenger} better.",
            f"El fichero ya no pide {es}, y en la puerta la versión {experiment.challenger} se demostró mejor.",
        )
    return _both(
        f"The file no longer asks for {en}, and version {experiment.challenger} is not proven better; version "
        f"{experiment.champion} stays.",
        f"El fichero ya no pide {es}, y no está demostrado que la versión {experiment.challenger} sea mejor; sigue la "
        f"versión {experiment.champion}.",
    )


def asks(experiment: Experiment) -> Words:
    """Say that a person is to approve."""
    command = f"cauce promote {experiment.model} --reason"
    return _both(
        f"[renew] approve = 'person' leaves the switch to version {experiment.challenger} to you: "
        f'`{command} "your reason"`.',
        f"[renew] approve = 'person' te deja a ti el cambio a la versión {experiment.challenger}: "
        f'`{command} "tu motivo"`.',
    )


def no_approval(experiment: Experiment) -> Words:
    """Say that the approval that it waited for is no longer asked for."""
    return _both(
        f"The file no longer asks for a person's approval, which was all that version {experiment.challenger} lacked.",
        "El fichero ya no pide la aprobación de una persona, que era lo único que le faltaba a la versión "
        f"{experiment.challenger}.",
    )


def taken_back(experiment: Experiment) -> Words:
    """Say that a new champion is taken back."""
    return _both(
        f"Version {experiment.challenger} failed its probation; version {experiment.champion} answers again.",
        f"La versión {experiment.challenger} no superó la prueba; vuelve a responder la versión {experiment.champion}.",
    )


def fell_back(experiment: Experiment, found: Comparison) -> Words:
    """Say by what it was proven worse."""
    return _both(*compared(found, experiment.champion, experiment.challenger))


def passed(experiment: Experiment, found: Comparison | None, n_truths: int) -> Words:
    """Say that a probation ended well."""
    counted = numbers(n_truths)
    end = _both(
        f"Version {experiment.challenger} passed its probation: {counted[0]} rows with truths, none of which prove it "
        "worse.",
        f"La versión {experiment.challenger} superó la prueba: {counted[1]} filas con resultado y ninguna demostración "
        "de que sea peor.",
    )
    return end if found is None else joined(_figures(experiment, found), end)

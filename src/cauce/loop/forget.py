"""`cauce forget`: erase what a ledger holds about somebody, and say where else it may still be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from cauce.core.admin_log import Act, append, command_line, person
from cauce.core.artefacts import Words
from cauce.core.errors import UserError
from cauce.core.files import append_line
from cauce.loop.context import Loop
from cauce.loop.watch import ledger_of

if TYPE_CHECKING:
    from cauce.ledger import Erased


@dataclass(frozen=True)
class Forgotten:
    """What was erased, or would be, and what Cauce cannot erase."""

    model: str
    dry_run: bool
    predictions: int
    shadows: int
    truths: int
    training_rows: int
    """Copies in the lake, kept for the next training. Not counted before they are erased."""
    damaged_lines: int
    """Damaged lines of the journal that named it."""
    unreadable_lines: int
    """Damaged lines that stay in ``aside/``: nobody can say what they held."""
    taught: tuple[int, ...]
    """Versions of the model that learnt from rows of the ledger: perhaps from these."""
    delay: Words
    """When it is gone."""
    remains: tuple[Words, ...]
    """Where it may still be."""


def find(loop: Loop, model: str, *, unit: str | None, column: str | None, value: str | None) -> Forgotten:
    """Count what `forget` would erase; nothing is written.

    Raises
    ------
    UserError
        No such model; neither a unit nor a column with a value, or both; or no prediction has such a column.
    """
    loop.model(model)
    found = ledger_of(loop, model).find(unit=unit, column=column, value=value)
    _check_column(loop, model, column, found)
    return _told(loop, model, found, 0, dry_run=True)


def forget(loop: Loop, model: str, *, unit: str | None, column: str | None, value: str | None) -> Forgotten:
    """Erase a unit's predictions, or those with a value in a column, with their shadows, truths and copies, for good.

    The service may go on. After a kill, the same command goes on. Callers hold the project's lock.

    Raises
    ------
    UserError
        As `find`.
    Locked
        A ledger's journal stays open, or somebody reads a copy.
    """
    from cauce import data

    loop.model(model)
    ledger = ledger_of(loop, model)
    n_training_rows = 0

    def copies(ids: Sequence[str]) -> None:
        nonlocal n_training_rows
        n_training_rows += data.forget_labelled(loop.state.lake, model, units=ids)

    name = "unit" if unit is not None else str(column)
    append(loop.state.record, Act(loop.now(), command_line(), "forget", model, f"by {name}"))
    found = ledger.forget(loop.now(), unit=unit, column=column, value=value, elsewhere=copies)
    _check_column(loop, model, column, found)
    done = _told(loop, model, found, n_training_rows, dry_run=False)
    _record(loop, done, unit=unit, column=column, value=value)
    return done


def _check_column(loop: Loop, model: str, column: str | None, found: Erased) -> None:
    if column is None or found.n_columns:
        return
    where = loop.project.where("models", model, "log")
    if loop.model(model).log.get(column) is False:
        raise UserError(
            "the ledger does not hold this column, so nothing can be found by it", where=where, received=column
        )
    raise UserError("no prediction in the ledger has this column", where=f"model {model}", received=column)


def _record(loop: Loop, done: Forgotten, *, unit: str | None, column: str | None, value: str | None) -> None:
    """Note who erased what, and when; what was erased stands there as its hash."""
    from cauce.ledger import keyed_hash

    name = "unit" if unit is not None else str(column)
    entry = {
        "at": loop.now(),
        "by": person(),
        "column": name,
        "hash": keyed_hash(loop.state.read_hash_key(), name, unit if unit is not None else value),
        "predictions": done.predictions,
        "shadows": done.shadows,
        "truths": done.truths,
        "training_rows": done.training_rows,
        "damaged_lines": done.damaged_lines,
    }
    append_line(loop.record(done.model) / "forgotten.jsonl", orjson.dumps(entry))


def _told(loop: Loop, model: str, found: Erased, n_training_rows: int, *, dry_run: bool) -> Forgotten:
    taught = _taught(loop, model)
    return Forgotten(
        model=model,
        dry_run=dry_run,
        predictions=found.n_predictions,
        shadows=found.n_shadows,
        truths=found.n_truths,
        training_rows=n_training_rows,
        damaged_lines=found.n_aside,
        unreadable_lines=found.n_unreadable,
        taught=taught,
        delay={
            "en": "Gone when the command ends, history included. Requests that came after it began are not.",
            "es": "Borrado al terminar la orden, historial incluido. Las peticiones posteriores a su inicio, no.",
        },
        remains=_remains(found, taught),
    )


def _taught(loop: Loop, model: str) -> tuple[int, ...]:
    versions = loop.tracker.versions(model)
    return tuple(number for number in versions if loop.tracker.release(model, number).training.n_ledger)


def _remains(found: Erased, taught: Sequence[int]) -> tuple[Words, ...]:
    told: list[Words] = [
        {"en": "backups made before", "es": "copias de seguridad anteriores"},
        {
            "en": "the source and its snapshots under lake/, which are not the ledger's",
            "es": "la fuente y sus versiones en lake/, que no son del registro",
        },
        {
            "en": "answers that the service keeps under an Idempotency-Key, for a day at most",
            "es": "respuestas que el servicio guarda con una Idempotency-Key, un día como mucho",
        },
        {
            "en": "reports and files that were written elsewhere, and snapshots that the file system makes",
            "es": "informes y ficheros escritos en otra parte, y copias que haga el sistema de ficheros",
        },
    ]
    if taught:
        listed = ", ".join(map(str, taught))
        told.append(
            {
                "en": f"releases that learnt from rows of the ledger (versions {listed}); train again to replace them",
                "es": f"modelos que aprendieron de filas del registro (versiones {listed}); entrena de nuevo para "
                "sustituirlos",
            }
        )
    if found.n_unreadable:
        told.append(
            {
                "en": f"damaged lines under aside/ that nobody can read: {found.n_unreadable}",
                "es": f"líneas dañadas en aside/ que nadie puede leer: {found.n_unreadable}",
            }
        )
    return tuple(told)

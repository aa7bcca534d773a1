"""What a project tells the tools beside it: Prometheus' and Grafana's files, and Evidently's report of a window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import Release
from cauce.core.errors import Refused, UserError
from cauce.loop.context import Loop
from cauce.loop.material import FEWEST_ACCEPTED, unit_names_of
from cauce.loop.watch import ledger_of

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.export import Target
    from cauce.export.evidently import Format
    from cauce.track import Package

MOST_REFERENCE = 50_000
"""Rows of the reference that Evidently gets, drawn by a seed where there are more: it holds them all in memory."""
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is listened on is not what is asked
EVERY_S = 10.0


def target(
    loop: Loop,
    *,
    address: str | None = None,
    token_file: Path | None = None,
    every_s: float = EVERY_S,
    runbooks: str | None = None,
) -> Target:
    """Return the project's service as a monitoring system sees it.

    Parameters
    ----------
    address
        ``host:port`` as Prometheus reaches it; that of [serve] when absent.
    token_file
        File with a token of the scope `metrics`; the owner's when absent.
    every_s
        Seconds between two looks of the watcher.
    runbooks
        Where the runbooks can be read; the file's name when absent.

    Raises
    ------
    UserError
        [serve] leaves the port open, or no model is in the file.
    """
    from cauce.export import Target

    file = loop.project.file
    if not file.models:
        raise UserError("no model to watch", where="cauce.toml", hint="Add [models.NAME] first.")
    certificate = file.serve.tls_certificate
    return Target(
        project=file.project.name,
        language=file.project.language,
        address=address or _address(loop),
        token_file=str((token_file or loop.state.token).absolute()),
        certificate=None if certificate is None else str((loop.project.folder / certificate).absolute()),
        every_s=every_s,
        runbooks=Target.runbooks if runbooks is None else runbooks,
    )


def _address(loop: Loop) -> str:
    settings = loop.project.file.serve
    if settings.port == 0:
        hint = "Give --target HOST:PORT, or a port under [serve]."
        raise UserError("the service takes any free port", where=loop.project.where("serve", "port"), hint=hint)
    host = EVERYWHERE.get(settings.host, settings.host)
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"


def evidently(loop: Loop, model: str, *, rows: int | None = None, form: Format) -> tuple[bytes, str]:
    """Return Evidently's report of a model's newest window against what training saw, and what it leaves out and why.

    Parameters
    ----------
    rows
        Newest predictions in the window; that of [watch] when absent.

    Raises
    ------
    Refused
        The model has no champion, or it has not predicted yet.
    MissingExtra
        Evidently is not installed here.
    """
    from cauce.export.evidently import check_evidently, frames, report

    check_evidently()
    loop.model(model)
    champion = loop.tracker.alias(model, "champion")
    if champion is None:
        raise Refused(f"model {model!r} has no champion", hint=f"Train it first: `cauce train {model}`.")
    release, package = loop.tracker.open(model, champion)
    current = _window(loop, model, champion, rows or loop.watch_spec(model).window)
    if not current.num_rows:
        hint = "Ask it something first: POST /v1/models/NAME/predict, or `cauce predict --record`."
        raise Refused(f"version {champion} of {model!r} has not predicted anything yet", hint=hint)
    reference = reference_rows(loop, release, package)
    found = frames(reference, current, release.training.spec.schema, classes=package.fitted.classes)
    return report(found, title=f"{model} {champion}", form=form), found.note


def _window(loop: Loop, model: str, version: int, rows: int) -> pa.Table:
    import pyarrow.compute as pc

    ledger = ledger_of(loop, model)
    try:
        found = ledger.window(rows)
    finally:
        ledger.close()
    return found.filter(pc.equal(found["version"], version)) if found.num_rows else found


def reference_rows(loop: Loop, release: Release, package: Package) -> pa.Table:
    """Return the source's rows that a release is compared with, and what it answers to those that it never learnt from.

    As the watch does: where rows were split by time, those that were set aside are the population. A release whose
    judges came from the ledger has none among the source's rows, and then answers them all.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce import data

    training = release.training
    spec, snapshot = training.spec, training.snapshot
    table = data.read(loop.state.lake, snapshot.data, version=snapshot.version)
    units = package.units
    names = units.filter(pc.equal(units["role"], "held_out"))["unit"].combine_chunks()
    aside = pc.is_in(pa.array(unit_names_of(loop, snapshot.data, table, spec)), value_set=names)
    enough = pc.sum(aside).as_py() >= FEWEST_ACCEPTED
    if training.split == "time" and enough:
        table, aside = table.filter(aside), aside.filter(aside)
    if table.num_rows > MOST_REFERENCE:
        drawn = np.sort(np.random.default_rng(spec.seed).choice(table.num_rows, MOST_REFERENCE, replace=False))
        table, aside = table.take(drawn), aside.take(pa.array(drawn))
    table = table.select(list(spec.schema.names))
    answers = package.fitted.predict(table)["prediction"]
    if isinstance(answers, pa.ChunkedArray):
        answers = answers.combine_chunks()
    if enough:
        answers = pc.if_else(aside, answers, pa.scalar(None, answers.type))
    return table.append_column("prediction", answers)

"""What people see: the state of every model at one moment, for `cauce status`, `cauce report` and the console."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cauce.core.artefacts import Audit, Decision, Release, Watched
from cauce.core.files import read_artefact
from cauce.core.locks import holder
from cauce.core.views import ModelView, ProjectView
from cauce.loop.audit import recorded
from cauce.loop.context import Loop
from cauce.loop.history import looks
from cauce.loop.promotion import experiment_of
from cauce.loop.stages import Failure
from cauce.loop.watch import ledger_of

N_DECISIONS = 50
N_LOOKS = 500


def project_view(loop: Loop) -> ProjectView:
    """Return the whole project, as it is on disk now; nothing is computed anew."""
    from cauce import data

    file = loop.project.file
    snapshots = (data.latest(loop.state.lake, name) for name in file.data)
    return ProjectView(
        name=file.project.name,
        language=file.project.language,
        at=loop.now(),
        models=tuple(model_view(loop, name) for name in file.models),
        snapshots=tuple(snapshot for snapshot in snapshots if snapshot is not None),
    )


def model_view(loop: Loop, name: str) -> ModelView:
    """Return one model as it is on disk now."""
    from cauce.renew import paused

    spec = loop.model(name)
    folder = loop.record(name)
    champion = _release(loop, name, "champion")
    audit = recorded(folder / "audit.json")
    error = read_artefact(folder / "error.json", Failure)
    traffic = ledger_of(loop, name).traffic(loop.now())
    experiment = experiment_of(loop, name)
    return ModelView(
        name=name,
        spec=spec,
        stage=_stage(champion, audit, paused=paused(folder) is not None, serving=_is_serving(loop)),
        champion=champion,
        challenger=_release(loop, name, "challenger"),
        versions=loop.tracker.versions(name),
        audit=audit,
        traffic=traffic,
        watched=read_artefact(folder / "watched.json", Watched),
        decisions=_decisions(folder),
        error=error.text if error is not None else None,
        experiment=experiment if experiment is not None and experiment.stage != "ended" else None,
        looks=looks(folder, limit=N_LOOKS),
    )


def _is_serving(loop: Loop) -> bool:
    return holder(loop.state.locks / "serve.lock") is not None


def _decisions(folder: Path) -> tuple[Decision, ...]:
    """Return what was recorded, newest first, led by the newest look's decision where that came later."""
    from cauce.renew import read

    recorded = tuple(read(folder, limit=N_DECISIONS))
    newest = read_artefact(folder / "decision.json", Decision)
    if newest is not None and (not recorded or newest.at > recorded[0].at):
        told = (one for one in recorded if one.action != "wait" or one.champion != newest.champion or one.experiment)
        return (newest, *told)
    return recorded


def _release(loop: Loop, name: str, alias: Literal["champion", "challenger"]) -> Release | None:
    version = loop.tracker.alias(name, alias)
    return loop.tracker.release(name, version) if version is not None else None


def _stage(
    champion: Release | None, audit: Audit | None, *, paused: bool, serving: bool
) -> Literal["new", "blocked", "trained", "serving", "paused"]:
    if paused:
        return "paused"
    if champion is None:
        return "blocked" if audit is not None and audit.blocking else "new"
    return "serving" if serving else "trained"

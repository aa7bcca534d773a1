"""Stage 2, audit: a snapshot's profile and what the checks say of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.artefacts import Audit, Finding, Snapshot
from cauce.core.errors import Blocked, Problems, UserError
from cauce.core.files import fingerprint, read_artefact, write_artefact
from cauce.core.scripts import read_script
from cauce.loop import audit_views
from cauce.loop.context import Loop
from cauce.loop.fairness import mitigated_out_of_fold
from cauce.loop.material import wrong_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.audit import Check
    from cauce.profile import Profile

SAMPLE_ROWS = 50_000
"""Rows that checks which fit something look at: spread evenly over each batch."""


def profile_path(loop: Loop, snapshot: Snapshot) -> Path:
    """Return where the snapshot's profile is kept, once it was made."""
    from cauce import profile

    return loop.state.runs / "profile" / f"{snapshot.fingerprint}.{profile.FORMAT}.arrow"


def profile_of(loop: Loop, snapshot: Snapshot) -> Profile:
    """Return the snapshot's profile, made once per content."""
    from cauce import data, profile

    path = profile_path(loop, snapshot)
    if path.exists():
        with suppress(UserError):  # cut off, say: it is made anew
            return profile.Profile.load(path)
    batches = data.batches(loop.state.lake, snapshot.data, version=snapshot.version)
    made = profile.summarise(_told(loop, batches, snapshot.n_rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(path)
    return made


def audit(loop: Loop, snapshot: Snapshot, model: str | None = None) -> Audit:
    """Run the checks on a snapshot, for one model's target or for the data set alone, and record what they saw."""
    from cauce import audit as room

    spec = loop.data(snapshot.data)
    model_spec = loop.model(model) if model is not None else None
    settings = loop.project.file.audit
    reference = audit_views.reference_of(loop, snapshot)
    against = reference.fingerprint if reference else ""
    seen = fingerprint(
        snapshot.fingerprint, spec, model_spec or "", settings, against, *_own_texts(loop), version("cauce")
    )
    path = loop.record(model or snapshot.data) / "audit.json"
    known = recorded(path)
    if known is not None and known.fingerprint == seen:
        if known.version != snapshot.version:  # the same content, compacted, say: the version before it may go
            known = replace(known, version=snapshot.version)
            write_artefact(path, known)
        return known
    profile = profile_of(loop, snapshot)
    if model is not None and (wrong := wrong_columns(loop, model, profile.columns)):
        raise wrong[0] if len(wrong) == 1 else Problems(wrong)

    def batches(columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        return _batches(loop, snapshot, columns)

    context = room.AuditContext(
        data_name=snapshot.data,
        data=spec,
        model_name=model,
        model=model_spec,
        profile=profile,
        batches=batches,
        sample=_sample(loop, snapshot),
        changes=snapshot.changes,
        reference=lambda: profile_of(loop, reference) if reference else None,
    )
    if model is not None:
        context = replace(
            context,
            out_of_fold=audit_views.out_of_fold(loop, model, profile, batches),
            mitigated=mitigated_out_of_fold(loop, model, profile, batches),
            sides=audit_views.sides(loop, model, profile, batches),
        )
    own = own_checks(loop)
    result = room.run(context, settings, fingerprint=seen, now=loop.now(), progress=loop.progress, own=own)
    result = replace(result, version=snapshot.version)
    write_artefact(path, result)
    return result


def recorded(path: Path) -> Audit | None:
    """Read an audit's record; None where there is none that this Cauce can read: the next audit writes it anew."""
    try:
        return read_artefact(path, Audit)
    except UserError:
        return None


def with_findings(loop: Loop, result: Audit, more: tuple[Finding, ...], *, taught: str = "") -> Audit:
    """Return the audit with a training's own findings added, under the same settings, and record it.

    Parameters
    ----------
    taught
        Fingerprint of the ledger's rows that were learnt from too; nothing without any. What was found with them is no
        audit of the snapshot alone: the next one is made anew, else a renewal that was blocked would block all later.
    """
    if not more:
        return result
    from cauce import audit as room

    judged = room.settle(more, loop.project.file.audit)
    known = {(finding.code, finding.columns) for finding in judged}
    kept = tuple(finding for finding in result.findings if (finding.code, finding.columns) not in known)
    seen = fingerprint(result.fingerprint, taught) if taught else result.fingerprint
    extended = replace(result, findings=kept + judged, fingerprint=seen)
    write_artefact(loop.record(result.model or result.data) / "audit.json", extended)
    return extended


def gate(result: Audit, language: str) -> None:
    """Raise Blocked where a finding stops the training; it names every one, its rows and the remedy."""
    if not result.blocking:
        return
    lines = []
    for finding in result.blocking:
        rows = f" Rows: {', '.join(map(str, finding.rows))}." if finding.rows else ""
        lines.append(f"  {finding.code}: {finding.message[language]}{rows} {finding.remedy[language]}")
    subject = f"model {result.model!r}" if result.model else f"data set {result.data!r}"
    raise Blocked(f"the audit blocks {subject}:\n" + "\n".join(lines).rstrip("."))


def own_checks(loop: Loop) -> tuple[Check, ...]:
    """Return the project's own checks, ready to run.

    Raises
    ------
    UserError
        A file of `[audit] own` is not there or cannot be run; with its line.
    """
    from cauce import audit as room

    files = loop.project.file.audit.own
    where = loop.project.where("audit", "own")
    return room.load_own(loop.project.folder, files, known=room.codes(), where=where) if files else ()


def _own_texts(loop: Loop) -> tuple[str, ...]:
    """Return what the files of `[audit] own` hold: an audit is made anew when they change."""
    where = loop.project.where("audit", "own")
    files = loop.project.file.audit.own
    return tuple(read_script(name, loop.project.folder, where=where).text for name in files)


def known_codes() -> tuple[str, ...]:
    """Return the codes of all checks, the tasks' own included."""
    from cauce import audit as room

    return room.codes()


def _batches(loop: Loop, snapshot: Snapshot, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    from cauce import data

    return data.batches(loop.state.lake, snapshot.data, version=snapshot.version, columns=columns)


def _sample(loop: Loop, snapshot: Snapshot) -> pa.Table:
    import pyarrow as pa

    share = min(1.0, SAMPLE_ROWS / max(snapshot.n_rows, 1))
    parts = []
    for batch in _batches(loop, snapshot, None):
        n_taken = max(1, round(batch.num_rows * share)) if batch.num_rows else 0
        rows = pa.array([at * batch.num_rows // n_taken for at in range(n_taken)], pa.int64())
        parts.append(batch if share == 1.0 else batch.take(rows))
    return pa.Table.from_batches(parts)


def _told(loop: Loop, batches: Iterator[pa.RecordBatch], n_rows: int) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        loop.progress("profile", done, n_rows)

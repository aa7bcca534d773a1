"""What every stage is handed: the project, a clock and somebody to tell how far the work has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.errors import UserError, did_you_mean
from cauce.core.locks import hold
from cauce.core.progress import Progress, silent
from cauce.core.spec import over
from cauce.core.specs import DataSpec, ModelSpec, RenewSpec, WatchSpec
from cauce.core.state import State
from cauce.project import Project

if TYPE_CHECKING:
    from cauce.track import Tracker


def utc_now() -> datetime:
    """Return the current time, UTC: the clock that stages use unless they are handed another."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Loop:
    """One project on its way round the loop.

    Parameters
    ----------
    project
        The project file, read and valid.
    progress
        Told how far long work has come.
    now
        The clock.
    """

    project: Project
    progress: Progress = silent
    now: Callable[[], datetime] = utc_now

    @cached_property
    def state(self) -> State:
        """The project's `.cauce/`, made where it is missing."""
        return self.project.state.open()

    @cached_property
    def tracker(self) -> Tracker:
        """The registry of releases."""
        from cauce.track import Tracker

        return Tracker(self.state)

    def model(self, name: str) -> ModelSpec:
        """Return the model's keys; UserError with the nearest name when there is none."""
        models = self.project.file.models
        if name not in models:
            raise UserError("no such model", where="cauce.toml", received=name, hint=did_you_mean(name, models))
        return models[name]

    def data(self, name: str) -> DataSpec:
        """Return the data set's keys; UserError with the nearest name when there is none."""
        sets = self.project.file.data
        if name not in sets:
            raise UserError("no such data set", where="cauce.toml", received=name, hint=did_you_mean(name, sets))
        return sets[name]

    def watch_spec(self, model: str) -> WatchSpec:
        """Return `[watch]` as it holds for one model: its own keys of `[models.NAME.watch]` go before the project's."""
        return over(self.project.file.watch, self.model(model).watch)

    def renew_spec(self, model: str) -> RenewSpec:
        """Return `[renew]` as it holds for one model: its own keys of `[models.NAME.renew]` go before the project's."""
        return over(self.project.file.renew, self.model(model).renew)

    def record(self, name: str) -> Path:
        """Folder of what was found and decided about a model or data set."""
        return self.state.record / name

    @contextmanager
    def locked(self, *, wait_s: float = 0.0) -> Iterator[None]:
        """Hold `loop.lock`: one process at a time trains, watches or renews.

        Raises
        ------
        Locked
            Another process still holds it after `wait_s` seconds.
        """
        with hold(self.state.locks / "loop.lock", wait_s=wait_s):
            yield

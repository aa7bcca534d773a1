"""Two processes decide about one model in the same moment: one of them waits, or is told that it came too late."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cauce.core.artefacts import Decision
from cauce.loop import by_hand, carry
from cauce.loop.promotion import advance
from cauce.renew import Evidence, read
from loop.crashing import MODEL, Aliases, Story, comparison, illegal, open_loop, take

STORY = replace(
    Story.of(np.random.default_rng(0)), shadow=False, share=0.0, approve="policy", by_hand={}, shows={}, arrivals={
        0: (1, "better"), 1: (2, "better")
    }
)  # fmt: skip


class Slow(Aliases):
    """A registry that takes its time to move an alias, until `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    def set_alias(self, model: str, alias: str, version: int) -> None:
        self.begun.set()
        assert self.go.wait(20.0)
        super().set_alias(model, alias, version)


def test_who_looks_while_a_roll_back_is_carried_out_does_not_roll_back_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aliases = Slow()
    for tick in range(2):
        take(open_loop(tmp_path, STORY, tick, aliases), STORY, tick)
    loop = open_loop(tmp_path, STORY, 2, aliases)
    experiment = carry.experiment_of(loop, MODEL)
    assert experiment is not None
    assert experiment.stage == "probation"
    aliases.begun.clear()
    aliases.go.clear()
    person = threading.Thread(target=lambda: by_hand.rollback(loop, MODEL, version=None, reason="It answers nonsense."))
    person.start()
    assert aliases.begun.wait(20.0)  # recorded, and neither alias nor experiment has followed yet
    done: list[Decision | None] = []
    watcher = threading.Thread(
        target=lambda: done.append(advance(loop, MODEL, measure=lambda *_: Evidence(comparison("worse"), 1, 1)))
    )
    watcher.start()
    watcher.join(0.5)
    aliases.go.set()
    person.join(20.0)
    watcher.join(20.0)
    assert done == [None]
    assert [one.action for one in read(loop.record(MODEL))].count("roll back") == 1
    assert illegal(loop) == []


def test_a_mark_is_taken_after_all_has_followed(tmp_path: Path) -> None:
    """Whoever compares with the champion after it does not compare with the one before."""
    aliases = Slow()
    take(open_loop(tmp_path, STORY, 0, aliases), STORY, 0)
    loop = open_loop(tmp_path, STORY, 1, aliases)
    aliases.begun.clear()
    aliases.go.clear()
    person = threading.Thread(
        target=lambda: by_hand.promote(loop, MODEL, version=3, reason="The contract asks for it.")
    )
    person.start()
    assert aliases.begun.wait(20.0)
    seen: list[tuple[str, int | None]] = []
    gate = threading.Thread(target=lambda: seen.append((carry.mark(loop, MODEL), aliases.alias(MODEL, "champion"))))
    gate.start()
    gate.join(0.5)
    aliases.go.set()
    person.join(20.0)
    gate.join(20.0)
    assert seen == [(read(loop.record(MODEL))[0].id, 3)]

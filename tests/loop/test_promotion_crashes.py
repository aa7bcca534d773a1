"""A promotion is killed anywhere, a thousand times: what is left is legal, and the story ends as without the crash."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cauce.core import files
from cauce.loop import carry
from cauce.renew import record
from loop.crashing import MODEL, TICKS, Aliases, Story, illegal, open_loop, outcome, take


class Killed(BaseException):
    """What `kill -9` is to a process: nothing catches it."""


@dataclass
class Faults:
    """Counts every write and dies at the one that is asked for: before it, after it, or in its middle."""

    die_at: int = -1
    how: str = "before"
    count: int = 0
    died: dict[str, int] = field(default_factory=dict)

    def wrap(self, name: str, write: Callable[..., Any], torn: Callable[..., None] | None = None) -> Callable[..., Any]:
        def writing(*arguments: Any, **options: Any) -> Any:
            mine = self.count == self.die_at
            self.count += 1
            if not mine:
                return write(*arguments, **options)
            self.died[f"{name} {self.how}"] = self.died.get(f"{name} {self.how}", 0) + 1
            if self.how == "torn" and torn is not None:
                torn(*arguments)
            if self.how == "after":
                write(*arguments, **options)
            raise Killed

        return writing


def half_a_line(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(line[: len(line) // 2])


def half_a_file(path: Path, artefact: object) -> None:
    path.with_name(f".{path.name}.torn").write_bytes(files.to_json(artefact)[:30])


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Every write of a promotion, through one that can die; nothing is synced, which this is not about."""
    faults = Faults()
    monkeypatch.setattr("os.fsync", lambda handle: None)
    monkeypatch.setattr(record, "append_line", faults.wrap("decision", files.append_line, half_a_line))
    monkeypatch.setattr(carry, "write_artefact", faults.wrap("experiment", files.write_artefact, half_a_file))
    for name in ("set_alias", "drop_alias"):
        written = getattr(Aliases, name)
        monkeypatch.setattr(Aliases, name, faults.wrap(name, written))
    return faults


def told(folder: Path, story: Story) -> list[object]:
    """The story without a crash."""
    folder.mkdir()
    aliases = Aliases()
    for tick in range(TICKS):
        take(open_loop(folder, story, tick, aliases), story, tick)
    loop = open_loop(folder, story, TICKS, aliases)
    assert illegal(loop) == []
    return outcome(loop)


def killed(folder: Path, story: Story, layer: Faults, rng: np.random.Generator) -> tuple[list[object], int]:
    """The story with a crash every few writes; after each the same tick is taken again by a new process."""
    folder.mkdir()
    aliases, n_crashes, tick = Aliases(), 0, 0
    while tick < TICKS:
        layer.die_at, layer.how = layer.count + int(rng.integers(0, 7)), str(rng.choice(["before", "after", "torn"]))
        try:
            for tick in itertools.count(tick):  # noqa: B020
                if tick >= TICKS:
                    break
                take(open_loop(folder, story, tick, aliases), story, tick)
        except Killed:
            n_crashes += 1
            layer.die_at = -1
            loop = open_loop(folder, story, tick, aliases)
            carry.reconcile(loop, MODEL)
            assert illegal(loop) == [], f"crash {n_crashes} at tick {tick} of {story}"
    layer.die_at = -1
    loop = open_loop(folder, story, TICKS, aliases)
    carry.reconcile(loop, MODEL)
    assert illegal(loop) == []
    return outcome(loop), n_crashes


@pytest.mark.slow
def test_a_thousand_crashes_end_in_legal_states_and_in_the_same_story(tmp_path: Path, layer: Faults) -> None:
    crash_many(tmp_path, layer, wanted=1000)
    assert len(layer.died) == 12, f"every write before, after and torn: {layer.died}"


def test_a_hundred_crashes(tmp_path: Path, layer: Faults) -> None:
    crash_many(tmp_path, layer, wanted=100)


def crash_many(folder: Path, layer: Faults, *, wanted: int) -> None:
    n_crashes, seed, stages = 0, 0, set()
    while n_crashes < wanted:
        rng = np.random.default_rng(seed)
        story = Story.of(rng)
        without = told(folder / f"{seed}", story)
        stages |= {one[-1] for one in without if isinstance(one, tuple)}
        with_crashes, more = killed(folder / f"{seed}k", story, layer, rng)
        assert with_crashes == without, f"seed {seed}: {story}"
        n_crashes, seed = n_crashes + more, seed + 1
    assert stages >= {"gate", "shadow", "split", "probation", "ended"}, stages


def test_the_check_has_teeth(tmp_path: Path, layer: Faults) -> None:
    """A promotion that moves the alias and forgets its decision, or the other way round, is found."""
    story = Story.of(np.random.default_rng(1))
    tmp_path.joinpath("x").mkdir()
    aliases = Aliases()
    for tick in range(4):
        take(open_loop(tmp_path / "x", story, tick, aliases), story, tick)
    loop = open_loop(tmp_path / "x", story, 4, aliases)
    assert illegal(loop) == []
    aliases.held["champion"] = 4
    assert illegal(loop) != []

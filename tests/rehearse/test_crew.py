"""Replays in processes come to what they come to here, and finished ones are not done again."""

from __future__ import annotations

from pathlib import Path

import pytest

from cauce.core.rehearsing import Job, Replayed, Scenario
from cauce.rehearse import Crew, run_jobs
from cauce.rehearse.crew import result_path
from rehearse import fake

JOBS = [fake.job(Scenario(kind, "sudden"), seed) for kind in ("mean", "label", "unit") for seed in range(2)]
HERE = (
    f"import sys; sys.path.insert(0, {str(Path(fake.__file__).parents[1])!r})"  # a process of its own knows no pytest
)
COMMAND = f"{HERE}; from rehearse.fake import work; work()"


class Counted:
    """Does jobs here and counts them."""

    def __init__(self) -> None:
        self.done: list[Job] = []

    def __call__(self, job: Job) -> Replayed:
        self.done.append(job)
        return fake.replayed(job)


def test_processes_come_to_the_same_as_this_one(tmp_path: Path) -> None:
    told: list[int] = []
    (tmp_path / "many").mkdir()
    alone = run_jobs(Crew(tmp_path / "one", COMMAND, 1, fake.replayed), JOBS)
    many = run_jobs(Crew(tmp_path / "many", COMMAND, 2, Counted()), JOBS, lambda _s, done, _t, _n="": told.append(done))
    assert alone == many
    assert told == sorted(told)
    assert told[-1] == len(JOBS)


def test_finished_replays_are_not_done_again(tmp_path: Path) -> None:
    first, again = Counted(), Counted()
    run_jobs(Crew(tmp_path, COMMAND, 1, first), JOBS[:4])
    results = run_jobs(Crew(tmp_path, COMMAND, 1, again), JOBS)
    assert len(first.done) == 4
    assert again.done == JOBS[4:]
    assert [each.job for each in results] == JOBS


def test_a_result_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    crew = Crew(tmp_path, COMMAND, 1, Counted())
    run_jobs(crew, JOBS[:2])
    path = result_path(tmp_path, JOBS[0])
    path.write_bytes(path.read_bytes()[:100])
    again = Counted()
    run_jobs(Crew(tmp_path, COMMAND, 1, again), JOBS[:2])
    assert again.done == JOBS[:1]


def test_a_process_that_fails_is_told(tmp_path: Path) -> None:
    crew = Crew(tmp_path, f"{HERE}; from rehearse.fake import die; die()", 2, Counted())
    with pytest.raises(RuntimeError, match="exit code 3"):
        run_jobs(crew, JOBS)

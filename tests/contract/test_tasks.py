"""Every task of the registry passes every check of the public conformance suite."""

from pathlib import Path

import pytest

from cauce.core import registry
from cauce.testing import TASK_CHECKS


@pytest.mark.parametrize("check", TASK_CHECKS)
@pytest.mark.parametrize("name", registry.TASKS)
def test_task_conforms(name: str, check: str, tmp_path: Path) -> None:
    TASK_CHECKS[check](registry.task(name), tmp_path)

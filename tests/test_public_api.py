"""The public names: what other people's code may rely on. A change here is a change of the interface."""

from __future__ import annotations

import importlib

import pytest

PUBLIC = {
    "cauce": {"Loop", "Project", "UserError", "__version__", "load_project", "row"},
    "cauce.evidence": {"paired", "independent", "sequential", "split", "sample_ratio", "Running"},
    "cauce.watch": {"drift_report"},
    "cauce.testing": {"check_task"},
    "cauce.client": {"AsyncClient", "CauceHTTPError", "Client", "Refused", "Retries", "Truth"},
}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_there(module: str) -> None:
    loaded = importlib.import_module(module)
    missing = {name for name in PUBLIC[module] if not hasattr(loaded, name)}
    assert not missing


def test_the_package_exports_nothing_else() -> None:
    assert set(importlib.import_module("cauce").__all__) == PUBLIC["cauce"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module("cauce").no_such_name  # noqa: B018

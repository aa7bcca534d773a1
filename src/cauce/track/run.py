"""What one training hands to the tracker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cauce.core.artefacts import Training


@dataclass(frozen=True)
class Run:
    """A finished training with its package, its figures and its documents."""

    training: Training
    package: Path
    """Folder that `write_package` made; copied, never moved."""
    digest: str
    """What `write_package` returned."""
    params: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    documents: Mapping[str, bytes] = field(default_factory=dict)
    """Artefact path → content: ``audit.json``, ``choice.json``, ``plots/confusion.svg``. Not below ``model/``."""
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse documents that would leave their folder or lie inside the model's."""
        for name in self.documents:
            path = PurePosixPath(name)
            inside = path.parts and not path.is_absolute() and ".." not in path.parts and path.parts[0] != "model"
            if not inside or str(path) != name or "\\" in name or "\0" in name:
                raise ValueError(f"not a document path: {name!r}")

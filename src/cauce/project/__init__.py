"""cauce.toml → frozen specs, each value knowing the line or the environment variable that it came from."""

from cauce.project.find import find
from cauce.project.keys import json_schema
from cauce.project.load import Project, load

__all__ = ["Project", "find", "json_schema", "load"]

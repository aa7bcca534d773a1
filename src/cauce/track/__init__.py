"""The record of trainings and the registry of releases: verified packages on disk, MLflow on SQLite around them."""

from cauce.track.package import Package, open_package, read_training, verify_package, write_package
from cauce.track.run import Run
from cauce.track.tracker import Tracker

__all__ = ["Package", "Run", "Tracker", "open_package", "read_training", "verify_package", "write_package"]

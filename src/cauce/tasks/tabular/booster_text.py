"""A booster's text: checked before LightGBM parses it, and forests of several outputs put into one.

LightGBM's reader trusts what it reads: a child that points outside its tree, or a size that is wrong, ends the
interpreter. The package's digest is checked before this; here a file that was cut or edited gets a sentence instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cauce.core.errors import UserError

FIELDS = re.compile(r"^([a-z_]+)=(.*)$", re.MULTILINE)
OUTPUT = ("num_class=", "num_tree_per_iteration=", "objective=", "average_output")
INTEGERS = re.compile(r"-?[0-9]+( -?[0-9]+)*")

NOT_NEEDED = ("leaf_weight=", "internal_value=", "internal_weight=")
"""Lines of a tree that neither a prediction nor its contributions read: nearly half of its text."""


def averaged(texts: Sequence[str], centres: Sequence[float]) -> str:
    """Return one text for forests that have as many trees each, one forest per output.

    LightGBM averages a forest's trees as it predicts; here their leaves are divided once, and the trees of one round
    stand together, as they do in a booster of several outputs. What was taken from an output's labels, its centre, goes
    back into the leaves.
    """
    forests = [_trees(text, centre) for text, centre in zip(texts, centres, strict=True)]
    blocks = []
    for number, lines in enumerate(tree for together in zip(*forests, strict=True) for tree in together):
        blocks.append("\n".join([f"Tree={number}", *lines]) + "\n\n\n")
    first, n_outputs = texts[0], len(texts)
    head = [line for line in first[: first.index("tree_sizes=")].split("\n") if not line.startswith(OUTPUT)]
    head[2:2] = [f"num_class={n_outputs}", f"num_tree_per_iteration={n_outputs}"]
    sizes = " ".join(str(len(block.encode())) for block in blocks)
    return "\n".join(head) + f"tree_sizes={sizes}\n\n{''.join(blocks)}{first[first.index('end of trees') :]}"


def _trees(text: str, centre: float) -> list[list[str]]:
    """Return each tree's lines below its number, the centre added to its leaves, divided by the number of trees."""
    trees = text[text.index("\nTree=0\n") + 1 : text.index("end of trees")].split("Tree=")[1:]
    found = []
    for tree in trees:
        lines = [line for line in tree.split("\n")[1:] if line and not line.startswith(NOT_NEEDED)]
        found.append([_shared(line, centre, len(trees)) if line.startswith("leaf_value=") else line for line in lines])
    return found


def _shared(line: str, centre: float, n_trees: int) -> str:
    name, _, values = line.partition("=")
    return f"{name}=" + " ".join(repr((float(value) + centre) / n_trees) for value in values.split())


def check(text: str, *, n_features: int, n_outputs: int, where: str) -> None:
    """Return when the text is a whole booster for so many features and outputs.

    Raises
    ------
    UserError
        It is not.
    """
    try:
        _check(text, n_features, n_outputs)
    except (ValueError, KeyError, IndexError) as error:
        hint = "Train again, or restore the package from a backup."
        raise UserError(f"not a readable booster: {error}", where=where, hint=hint) from error


def _check(text: str, n_features: int, n_outputs: int) -> None:
    head, _, _ = text.partition("\nTree=0\n")
    header = dict(FIELDS.findall(head))
    _same("version", header["version"], "v4")
    _same("max_feature_idx", header["max_feature_idx"], str(n_features - 1))
    _same("num_tree_per_iteration", header["num_tree_per_iteration"], str(n_outputs))
    _same("num_class", header["num_class"], str(n_outputs))
    raw = text.encode()
    at = raw.index(b"\nTree=0\n") + 1
    for number, size in enumerate(_integers(header["tree_sizes"]).tolist()):
        block = raw[at : at + size].decode()
        if size <= 0 or len(raw) < at + size or not block.startswith(f"Tree={number}\n"):
            raise ValueError(f"tree {number} does not begin where it should")
        _check_tree(dict(FIELDS.findall(block)), number, n_features)
        at += size
    if not raw[at:].startswith(b"end of trees"):
        raise ValueError("the trees do not end where they should")


def _check_tree(tree: dict[str, str], number: int, n_features: int) -> None:
    n_leaves, n_categorical = int(tree["num_leaves"]), int(tree["num_cat"])
    _same("is_linear", tree["is_linear"], "0")
    if len(tree["leaf_value"].split()) != n_leaves:
        raise ValueError(f"tree {number} has not {n_leaves} leaves")
    if n_leaves == 1:
        return
    nodes = np.arange(n_leaves - 1)
    feature = _sized(tree, "split_feature", len(nodes))
    left, right = _sized(tree, "left_child", len(nodes)), _sized(tree, "right_child", len(nodes))
    decision = _sized(tree, "decision_type", len(nodes))
    thresholds = tree["threshold"].split()
    children = np.concatenate([left, right])
    inside = np.all((children >= -n_leaves) & (children <= n_leaves - 2))
    later = np.all((children < 0) | (children > np.concatenate([nodes, nodes])))  # so no walk goes round
    if not (inside and later and np.all((feature >= 0) & (feature < n_features)) and len(thresholds) == len(nodes)):
        raise ValueError(f"tree {number} points outside itself")
    categorical = np.flatnonzero(decision & 1)
    if len(categorical):
        _check_categories(tree, [float(thresholds[i]) for i in categorical], n_categorical)


def _check_categories(tree: dict[str, str], used: list[float], n_categorical: int) -> None:
    bounds = _sized(tree, "cat_boundaries", n_categorical + 1)
    bits = _integers(tree["cat_threshold"])
    if bounds[0] != 0 or np.any(np.diff(bounds) < 0) or bounds[-1] != len(bits):
        raise ValueError("category bounds are out of order")
    if not all(index.is_integer() and 0 <= index < n_categorical for index in used):
        raise ValueError("a category set is out of range")


def _sized(tree: dict[str, str], field: str, size: int) -> npt.NDArray[np.int64]:
    found = _integers(tree[field])
    if len(found) != size:
        raise ValueError(f"{field} has {len(found)} entries, not {size}")
    return found


def _integers(field: str) -> npt.NDArray[np.int64]:
    if not INTEGERS.fullmatch(field.strip()):
        raise ValueError(f"not integers: {field[:40]!r}")
    return np.array(field.split(), np.int64)


def _same(field: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise ValueError(f"{field} is {found!r}, not {wanted!r}")

"""cleanlab's rankings of the same probabilities. Runs in an environment of its own: cleanlab is AGPL, Cauce is not.

Reads labels and probabilities from each .npz named, and writes its rankings beside it. Nothing of Cauce is imported.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from cleanlab.count import estimate_joint
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores


def main() -> None:
    """Rank every case named on the command line."""
    for name in sys.argv[1:]:
        path = Path(name)
        kept = np.load(path)
        labels, probabilities = kept["labels"], kept["probabilities"]
        told: dict[str, Any] = {}
        for method in ("self_confidence", "normalized_margin"):
            scores = get_label_quality_scores(labels, probabilities, method=method)
            told[f"cleanlab_rank_{method}"] = np.argsort(scores, kind="stable")
            adjusted = get_label_quality_scores(labels, probabilities, method=method, adjust_pred_probs=True)
            told[f"cleanlab_rank_{method}_adjusted"] = np.argsort(adjusted, kind="stable")
        issues = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
        rest = told["cleanlab_rank_self_confidence"]
        told["cleanlab_rank_issues_first"] = np.concatenate([issues, rest[~np.isin(rest, issues)]])
        told["cleanlab_share"] = 1 - np.trace(estimate_joint(labels, probabilities))
        np.savez(path.with_name(f"{path.stem}.peer.npz"), **told)


if __name__ == "__main__":
    main()

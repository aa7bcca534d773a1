"""LitServe: decode, predict, encode, as its documentation shows; one worker process behind one HTTP process."""

from __future__ import annotations

import os
from typing import Any

import litserve as ls  # type: ignore[import-not-found]
import numpy as np
from benchmarks.serve.peers.taken import COLUMNS, KIND, booster, pipeline


class Model(ls.LitAPI):  # type: ignore[misc]
    """The model behind LitServe."""

    def setup(self, device: str) -> None:
        """Load once a worker."""
        self.model = booster() if KIND == "boosting" else pipeline()

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # LitServe reads the annotation, as a text it fails
        """Make an array of the rows."""
        return np.array([[row[name] for name in COLUMNS] for row in request["rows"]])

    def predict(self, rows: Any) -> Any:
        """Give the probabilities of the second class."""
        return self.model.predict(rows) if KIND == "boosting" else self.model.predict_proba(rows)[:, 1]

    def encode_response(self, output: Any) -> dict[str, Any]:
        """Make JSON."""
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    workers = int(os.environ["WORKERS"])
    server = ls.LitServer(
        Model(), accelerator="cpu", workers_per_device=workers, fast_queue=os.environ.get("FAST_QUEUE") == "1"
    )
    server.run(
        host="127.0.0.1", port=int(os.environ["PORT"]), num_api_servers=workers, log_level="warning",
        generate_client_file=False, access_log=False,
    )  # fmt: skip

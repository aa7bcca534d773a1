"""Ray Serve: one deployment, HTTP on loopback, no access log."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import numpy as np
import ray  # type: ignore[import-not-found]
from benchmarks.serve.peers.taken import COLUMNS, KIND, booster, pipeline
from ray import serve
from starlette.requests import Request

WORKERS = int(os.environ["WORKERS"])


@serve.deployment(
    num_replicas=WORKERS, max_ongoing_requests=128, ray_actor_options={"num_cpus": 0.5},
    logging_config={"enable_access_log": False, "log_level": "WARNING"},
)  # fmt: skip
class Model:
    """The model behind Ray Serve."""

    def __init__(self) -> None:
        self.model = booster() if KIND == "boosting" else pipeline()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Predict the rows of a request."""
        asked = await request.json()
        rows = np.array([[row[name] for name in COLUMNS] for row in asked["rows"]])
        found = self.model.predict(rows) if KIND == "boosting" else self.model.predict_proba(rows)[:, 1]
        return {"probabilities": found.tolist()}


if __name__ == "__main__":
    ray.init(
        num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20, _temp_dir=os.environ["RAY_FOLDER"],
        log_to_driver=False, configure_logging=False,
    )  # fmt: skip
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    serve.run(Model.bind(), route_prefix="/predict")  # type: ignore[attr-defined]
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    serve.shutdown()
    ray.shutdown()

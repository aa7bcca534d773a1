"""FastAPI as somebody who profiles writes it: orjson, one numpy array, the booster or a dot product, no pydantic."""

from __future__ import annotations

import numpy as np
import orjson
from benchmarks.serve.peers.taken import COLUMNS, lean
from fastapi import FastAPI, Request, Response

app = FastAPI()
predicted = lean()


@app.post("/predict")
async def predict(request: Request) -> Response:
    """Predict in the event loop; a missing column is a 500."""
    rows = orjson.loads(await request.body())["rows"]
    matrix = np.array([[row[name] for name in COLUMNS] for row in rows], dtype=np.float64)
    return Response(orjson.dumps({"probabilities": predicted(matrix).tolist()}), media_type="application/json")

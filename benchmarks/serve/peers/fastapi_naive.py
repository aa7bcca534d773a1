"""FastAPI written by hand as tutorials show it: pydantic, a DataFrame, the pipeline's predict_proba."""

from __future__ import annotations

import os

import pandas as pd
from benchmarks.serve.peers.taken import COLUMNS, pipeline
from fastapi import FastAPI
from pydantic import BaseModel, create_model

Row = create_model("Row", **dict.fromkeys(COLUMNS, (float, ...)))  # type: ignore[call-overload]


class Request(BaseModel):
    """What is asked."""

    rows: list[Row]


class Answer(BaseModel):
    """What is answered."""

    probabilities: list[float]


app = FastAPI()
model = pipeline(named=True)

if os.environ.get("ROUTE") == "async":

    @app.post("/predict")
    async def predict(request: Request) -> Answer:
        """Predict in the event loop."""
        frame = pd.DataFrame([row.model_dump() for row in request.rows])
        return Answer(probabilities=model.predict_proba(frame)[:, 1].tolist())

else:

    @app.post("/predict")
    def predict_in_thread(request: Request) -> Answer:
        """Predict in FastAPI's threads."""
        frame = pd.DataFrame([row.model_dump() for row in request.rows])
        return Answer(probabilities=model.predict_proba(frame)[:, 1].tolist())

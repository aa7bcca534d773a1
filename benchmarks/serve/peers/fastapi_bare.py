"""FastAPI and pydantic without a model: what the framework alone costs."""

from __future__ import annotations

from benchmarks.serve.peers.taken import COLUMNS
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


@app.post("/predict")
async def predict(request: Request) -> Answer:
    """Answer a constant."""
    return Answer(probabilities=[0.5] * len(request.rows))

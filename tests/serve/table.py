"""The route table of the application, for tests that hold something against every route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def routes(place: Any) -> Iterator[tuple[str, str]]:
    """Every method and path of an application or a router, those of included routers too."""
    for route in place.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner)
        else:
            yield from ((method, route.path) for method in route.methods if method != "HEAD")

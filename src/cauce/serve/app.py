"""The application: routes, and around them what holds for every request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.serve.service import Service

if TYPE_CHECKING:
    from fastapi import FastAPI


def create_app(service: Service) -> FastAPI:
    """Return the project's application; it loads the champions when it is started, not before.

    Parameters
    ----------
    service
        Everything it may touch.
    """
    from fastapi import FastAPI
    from starlette.exceptions import HTTPException

    from cauce.serve.auth import Gatekeeper
    from cauce.serve.console import console_routes
    from cauce.serve.metrics import Counted
    from cauce.serve.problem import Guarded, Problem, on_http_exception, on_problem
    from cauce.serve.routes import api_routes
    from cauce.serve.sessions import Sessions
    from cauce.serve.work import Work

    work = Work(service)
    sessions = Sessions(service)
    app = FastAPI(
        title=service.project,
        # A route of ours makes the document, behind the token; the pages that show it would load scripts from afar.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=work.lifespan,
        # No telemetry, also where the environment asks the framework for it.
        telemetry={
            "auto_configure": False,
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
        },
        exception_handlers={Problem: on_problem, HTTPException: on_http_exception},
    )
    app.include_router(api_routes(work))
    app.include_router(console_routes(service, sessions))
    app.add_middleware(Guarded)
    app.add_middleware(Gatekeeper, service=service, sessions=sessions)
    app.add_middleware(Counted, metrics=work.metrics)
    return app

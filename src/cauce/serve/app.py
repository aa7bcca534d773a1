"""The application: routes, and around them what holds for every request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.serve.service import Service

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send


class Application:
    """The framework's application, and around it the layers that every request passes, the outermost first.

    They stand around it and not among its own middleware, so that a predict request passes nothing else.
    """

    def __init__(self, framework: FastAPI, layered: ASGIApp) -> None:
        self.router, self.routes = framework.router, framework.routes
        self._layered = layered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._layered(scope, receive, send)


def create_app(service: Service) -> Application:
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
    from cauce.serve.observed import Observed
    from cauce.serve.predict import Predict, Shortcut
    from cauce.serve.problem import Guarded, Problem, on_http_exception, on_problem
    from cauce.serve.routes import api_routes
    from cauce.serve.sessions import Sessions
    from cauce.serve.work import Work

    work = Work(service)
    sessions = Sessions(service)
    framework = FastAPI(
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
    predict = Predict(work)
    framework.include_router(api_routes(work, predict))
    framework.include_router(console_routes(service, sessions))
    framework.add_middleware(Guarded)
    guarded = Guarded(Shortcut(framework, predict))
    kept = Gatekeeper(guarded, service, sessions)
    return Application(framework, Observed(kept, service.metrics, service.traces))

"""The border to httpx: what a client is made with, and its errors as ours. Imported when a client is made."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from cauce.client.place import Place
from cauce.client.replies import Broken
from cauce.client.talks import Send
from cauce.core.errors import UserError
from cauce.core.extras import need

DEADLINE_S = 30.0
CONNECT_S = 5.0
"""Longest wait for a connection: what is lost on the way is tried again, not waited for until the deadline."""


def library() -> Any:
    """Return httpx, or say which extra brings it."""
    return need("httpx", extra="client", what="the Python client")


def options(found: Place, verify: Path | str | ssl.SSLContext | None) -> dict[str, Any]:
    """Return what both of httpx' clients are made with.

    Raises
    ------
    UserError
        `verify` names no certificate.
    """
    headers = {"Authorization": f"Bearer {found.token}", "User-Agent": "cauce-client"}
    context: ssl.SSLContext | bool = True
    if found.url.startswith("https:"):
        context = verify if isinstance(verify, ssl.SSLContext) else _trusting(verify)
    return {"base_url": found.url, "headers": headers, "verify": context, "trust_env": not found.is_loopback}


def _trusting(certificate: Path | str | None) -> ssl.SSLContext:
    """Return a context that checks certificates and names, by the system's authorities and one more file."""
    context = ssl.create_default_context()
    if certificate is not None:
        try:
            context.load_verify_locations(certificate)
        except (OSError, ssl.SSLError) as error:
            hint = "Give the PEM file of the authority, or of the service's own certificate."
            raise UserError(
                "not a certificate that can be read", where=f"verify = {str(certificate)!r}", hint=hint
            ) from error
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a service's own certificate is trusted for itself
    return context


def sending(step: Send) -> dict[str, Any]:
    """Return what httpx is asked to send, and its limits."""
    call, limits = step.call, library().Timeout(step.within_s, connect=min(step.within_s, CONNECT_S))
    return {
        "method": call.method,
        "url": call.path,
        "content": call.body,
        "headers": dict(call.headers),
        "timeout": limits,
    }


def late(step: Send) -> Broken:
    """Say that the time was over."""
    return Broken(
        f"no answer within {step.within_s:.3g} seconds", hint="Give more time with `deadline_s`, or ask less."
    )


def broken(error: Exception, step: Send) -> Broken:
    """Say what a foreign error means."""
    if isinstance(error, library().TimeoutException) and not isinstance(error, library().ConnectTimeout):
        return late(step)
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            hint = "Give the certificate to trust as `verify`, and ask under a name that it is made out to."
            return Broken(f"the certificate is not trusted: {seen.verify_message}", final=True, hint=hint)
        seen = seen.__cause__ or seen.__context__
    return Broken(f"no answer: {str(error) or type(error).__name__}")

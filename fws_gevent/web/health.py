"""Pages for monitoring: /healthz, /readyz and /metrics."""

from __future__ import annotations

from flask import Response, request

from .metrics import CONTENT_TYPE, MULTIPROCESS
from .service import service


def healthz() -> Response:
    """GET /fws/healthz: the process is alive."""
    return _text("ok\n")


def readyz() -> Response:
    """GET /fws/readyz: the node accepts clients.

    The answer is 503 while the node drains, while its storage is away, and while one of its
    background tasks fails repeatedly.
    """
    node = service().node
    if node.draining:
        return _text("draining\n", 503)
    if not node.healthy:
        return _text("the storage is down\n", 503)
    failing = sorted({each.name for each in node.statistics.background if each.failing})
    if failing:
        return _text(f"failing: {', '.join(failing)}\n", 503)
    return _text("ready\n")


def metrics() -> Response:
    """GET /fws/metrics: the metrics, for Prometheus."""
    found = service().metrics
    if request.environ.get("wsgi.multiprocess") and not found.multiprocess:
        return _text(
            f"Several workers: set {MULTIPROCESS} to an empty folder before they start, "
            "as the project's gunicorn.conf.py does.\n",
            503,
        )
    text = found.last
    if text is None:
        found.update(service().node.statistics.figures())
        text = found.render()
    return Response(text, content_type=CONTENT_TYPE, headers=_UNCACHED)


_UNCACHED = {"Cache-Control": "no-store"}


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, _UNCACHED, content_type="text/plain; charset=utf-8")

"""The status page and its log-in."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ..errors import NotIssued
from ..node.rates import retry_after
from ..tokens import Claims
from .admin import COOKIE, SCOPE
from .answers import answer, refuse_anonymous, refuse_bearer, unavailable
from .cookies import cookie_of
from .identity import LONGEST_BODY, bearer, check_origin, client_key, is_secure
from .service import LIVE, WAY_IN, service

TITLE = "Status"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)


def status() -> AnyResponse:
    """GET /fws/status: the page, or with ?format=json its data."""
    secret = request.args.get("ticket")
    opens = secret is not None and request.method == "GET"  # HEAD must have no effect
    opened = service().admin.open_link(secret or "") if opens else None
    if opened is not None:
        return _let_in(opened)
    as_json = request.args.get("format") == "json"
    if not _is_allowed():
        if as_json:
            refuse_anonymous()
        return _way_in("This link is wrong, or was used already." if secret else None)
    if as_json:
        return answer(service().snapshot())
    return _page(
        "fws/status.html",
        data_url=url_for("fws.status", format="json"),
        live_path=request.script_root + LIVE,
        logout_url=url_for("fws.log_out"),
    )


def log_in() -> AnyResponse:
    """POST /fws/login: with the admin password, or a token with the scope status."""
    check_origin()
    request.max_content_length = LONGEST_BODY
    wait = service().log_in_limiter.wait(client_key())
    if wait:
        seconds = retry_after(wait)
        refused = _way_in(f"Too many attempts: try again in {seconds} s.", 429)
        refused.headers["Retry-After"] = str(seconds)
        return refused
    opened = service().admin.log_in(request.form.get("secret", ""))
    if opened is None:
        return _way_in("This is neither the password nor a token with the scope status.")
    return _let_in(opened)


def log_out() -> AnyResponse:
    """POST /fws/logout: end a log-in to the status page, also for copies of its cookie."""
    check_origin()
    try:
        service().admin.log_out(_cookie())
    except NotIssued as error:
        unavailable(str(error))
    response = redirect(url_for("fws.status"), 303)
    response.delete_cookie(COOKIE, path=_cookie_path())
    return response


def _is_allowed() -> bool:
    claims = bearer()  # an invalid token is refused, whatever the cookie; so does the WebSocket
    if claims is None:
        return service().admin.claims_of_cookie(_cookie()) is not None
    if SCOPE not in claims.scope:
        refuse_bearer(403, "insufficient_scope", f"the scope {SCOPE} is needed")
    return True


def _cookie() -> str | None:
    return cookie_of(request.headers.getlist("Cookie"), COOKIE)


def _let_in(log_in: Claims) -> AnyResponse:
    response = redirect(url_for("fws.status"), 303)
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(
        COOKIE,
        service().admin.cookie(log_in),
        max_age=max(1, round(log_in.expires_at - service().tokens.clock.wall())),
        path=_cookie_path(),
        secure=is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return response


def _cookie_path() -> str:
    return request.script_root + "/fws/"


def _way_in(error: str | None, status: int = 401) -> Response:
    admin = service().admin
    how = None
    if admin.link_secret is not None:
        how = "Open the link that the server printed when it started. It works once."
    elif admin.is_shut:
        how = f"This page is closed: {WAY_IN}."
    return _page("fws/login.html", status, login_url=url_for("fws.log_in"), error=error,
                 how=how, form=admin.has_form)  # fmt: skip


def _page(template: str, status: int = 200, **values: object) -> Response:
    response = make_response(render_template(template, title=TITLE, **values), status)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    # With "no-referrer", browsers post the forms of the page with the Origin "null".
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return response

"""Who may look at the status page."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

from gevent import get_hub
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.security import check_password_hash

from ..errors import TokenInvalid
from ..settings import Settings
from ..tokens import Claims, Tokens
from ..tokens.claims import CLIENT_PREFIX
from ..tokens.store import digest

SCOPE: Final = "status"
"""The scope of a token that opens the status page."""

COOKIE: Final = "fws_status"

SESSION: Final = 12 * 3600
"""Seconds that a log-in lasts; with a token no longer than that token."""

LONGEST_SECRET: Final = 8192

_KEPT = ("sub", "jti", "iat", "family")  # the claims of a token by which it can be revoked


class Admin:
    """Lets in who has a token with the scope, the admin password, or the one-time link."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self._tokens = tokens
        self._password = settings.admin_password
        self._link_secret: str | None = None
        self._link: str | None = None
        self._run = secrets.token_hex(8)
        lasting = _lasting(settings, tokens)
        if lasting is None and not settings.signing_key_files:
            self._link_secret = secrets.token_urlsafe(24)
            self._link = digest(self._link_secret)
        # The password's hash and the key are secrets that let one in anyhow.
        seed = f"fws status cookie {lasting or secrets.token_hex(32)}".encode()
        self._serializer = URLSafeSerializer(hashlib.sha256(seed).digest(), salt=COOKIE)

    @property
    def link_secret(self) -> str | None:
        """The secret of the one-time link, where there is neither password nor signing key.

        Several processes have none: it would open the page of one of them, now and then.
        """
        return None if self._tokens.several_processes else self._link_secret

    @property
    def is_shut(self) -> bool:
        """Return whether nobody can get in."""
        return self.link_secret is None and not self.has_form

    @property
    def has_form(self) -> bool:
        """Return whether there is anything that could be typed: a password, or a token."""
        return self._password is not None or self._tokens.keys is not None

    def open_link(self, secret: str) -> Claims | None:
        """Return a log-in for the secret of the one-time link, which ends with this, or None."""
        if self.link_secret is None or self._link is None:
            return None
        if not hmac.compare_digest(self._link, digest(secret)):
            return None
        self._link = None
        return self.new_log_in()

    def log_in(self, secret: str) -> Claims | None:
        """Return a log-in for the admin password, or for a token with the scope; else None."""
        if len(secret) > LONGEST_SECRET:
            return None
        claims = self.claims_of_token(secret)
        if claims is not None:
            return self.new_log_in(claims)
        if self._password is None:
            return None
        # A slow hash by design: the other connections don't wait for it.
        pool = get_hub().threadpool
        fits = pool.apply(check_password_hash, (self._password, secret))
        return self.new_log_in() if fits else None

    def new_log_in(self, token: Claims | None = None) -> Claims:
        """Return what a cookie says: a log-in of its own name, with a token if that opened it.

        It ends with that token, also where the token is revoked.
        """
        now = self._tokens.clock.wall()
        made = Claims(
            # No token has these names: a log-in without one ends with no token.
            sub=CLIENT_PREFIX, jti="", iat=int(now), exp=now + SESSION, scope=SCOPE,
            login=secrets.token_hex(16),
        )  # fmt: skip
        if token is not None:
            made.update({name: token[name] for name in _KEPT if name in token})
            made["exp"] = min(made["exp"], token.expires_at)
            if self._tokens.keys is not None and not self._tokens.keys.lasting:
                made["run"] = self._run  # the key, and so the token, ends with the process
        return made

    def claims_of_token(self, token: str) -> Claims | None:
        """The claims of a token, if it is valid and has the scope."""
        if token.count(".") != 2:
            return None  # a password, which is no token that was refused
        try:
            claims = self._tokens.verify(token)
        except TokenInvalid:
            return None
        return claims if SCOPE in claims.scope else None

    def cookie(self, log_in: Claims) -> str:
        """Return the value of the cookie for a log-in."""
        return str(self._serializer.dumps(log_in))

    def claims_of_cookie(self, value: str | None) -> Claims | None:
        """Return the log-in of a cookie, or None for one that is forged, ended or revoked.

        Raises StorageAway if revocations can't be asked for now.
        """
        try:
            log_in = Claims(self._serializer.loads(value or ""))
        except BadSignature:
            return None
        if (
            log_in.expires_at <= self._tokens.clock.wall()
            or log_in.get("run", self._run) != self._run
        ):
            return None
        try:
            self._tokens.check_not_revoked(log_in)
        except TokenInvalid:
            return None
        return log_in

    def log_out(self, value: str | None) -> None:
        """End a log-in: its cookie and its open WebSockets.

        Several processes without a shared store can't: there the browser alone forgets it.
        Raises NotIssued for a full store, StorageAway.
        """
        log_in = self.claims_of_cookie(value)
        if log_in is not None and self._tokens.can_remember:
            self._tokens.revoke_log_in(log_in["login"], log_in.expires_at)


def _lasting(settings: Settings, tokens: Tokens) -> str | None:
    """Return a secret that a restart and the other processes of the server have too.

    All that could open the page is in it: with another password or key, cookies end.
    """
    keys, files = tokens.keys, settings.signing_key_files
    given = (settings.admin_password, settings.signing_key)
    signs = bool(files) and keys is not None and keys.first.signing is not None
    if given == (None, None) and not signs:
        return None
    contents = [Path(each.partition("=")[2]).read_text("latin-1") for each in files]
    return digest("\0".join([*(str(each) for each in given), *contents]))

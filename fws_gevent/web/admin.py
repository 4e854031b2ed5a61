"""Access to the status page: the admin password, a token with its scope, or a one-time link."""

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
"""Seconds that a log-in lasts. A log-in with a token ends with the token at the latest."""

LONGEST_SECRET: Final = 8192
"""Characters of a password or token; a longer text is refused unread."""

_KEPT = ("sub", "jti", "iat", "family")  # the claims of a token by which it can be revoked


class Admin:
    """The log-ins to the status page of one server."""

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
        # These secrets open the page by themselves, so the cookie's key may follow from them.
        seed = f"fws status cookie {lasting or secrets.token_hex(32)}".encode()
        self._serializer = URLSafeSerializer(hashlib.sha256(seed).digest(), salt=COOKIE)

    @property
    def link_secret(self) -> str | None:
        """The secret of the one-time link, or None.

        There is one only without a password and a signing key, and not with several processes: it
        would open the page of one of them only.
        """
        return None if self._tokens.several_processes else self._link_secret

    @property
    def is_shut(self) -> bool:
        """Return whether there is neither a link, nor a password, nor a key for tokens."""
        return self.link_secret is None and not self.has_form

    @property
    def has_form(self) -> bool:
        """Return whether the form is useful: there is a password, or a key for tokens."""
        return self._password is not None or self._tokens.keys is not None

    def open_link(self, secret: str) -> Claims | None:
        """Return a log-in for the secret of the one-time link, or None. The link works once."""
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
        # The hash is slow by design; in a thread, other connections don't wait for it.
        pool = get_hub().threadpool
        fits = pool.apply(check_password_hash, (self._password, secret))
        return self.new_log_in() if fits else None

    def new_log_in(self, token: Claims | None = None) -> Claims:
        """Return a new log-in, for the cookie. It ends with the token that was given, if any.

        It ends also if that token is revoked.
        """
        now = self._tokens.clock.wall()
        made = Claims(
            # No token has this subject and this id: such a log-in ends with no token.
            sub=CLIENT_PREFIX, jti="", iat=int(now), exp=now + SESSION, scope=SCOPE,
            login=secrets.token_hex(16),
        )  # fmt: skip
        if token is not None:
            made.update({name: token[name] for name in _KEPT if name in token})
            made["exp"] = min(made["exp"], token.expires_at)
            if self._tokens.keys is not None and not self._tokens.keys.lasting:
                made["run"] = self._run  # the key and its tokens end with the process
        return made

    def claims_of_token(self, token: str) -> Claims | None:
        """Return the claims of a token that is valid and has the scope, or None."""
        if token.count(".") != 2:
            return None  # a password: it does not count as a refused token
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

        Raises StorageAway if revocations are not known now.
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

        Several processes without a shared store can't; only the browser forgets the cookie then.
        Raises NotIssued for a full store, StorageAway.
        """
        log_in = self.claims_of_cookie(value)
        if log_in is not None and self._tokens.can_remember:
            self._tokens.revoke_log_in(log_in["login"], log_in.expires_at)


def _lasting(settings: Settings, tokens: Tokens) -> str | None:
    """Return a secret that the other processes of the server have too, also after a restart.

    It depends on everything that opens the page: with another password or key, cookies end.
    """
    keys, files = tokens.keys, settings.signing_key_files
    given = (settings.admin_password, settings.signing_key)
    signs = bool(files) and keys is not None and keys.first.signing is not None
    if given == (None, None) and not signs:
        return None
    contents = [Path(each.partition("=")[2]).read_text("latin-1") for each in files]
    return digest("\0".join([*(str(each) for each in given), *contents]))

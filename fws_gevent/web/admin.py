"""Who may look at the status page."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from pathlib import Path
from typing import Final

from gevent import get_hub
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.security import check_password_hash

from ..errors import TokenInvalid
from ..settings import Settings
from ..tokens import Claims, Tokens
from ..tokens.store import digest

SCOPE: Final = "status"
"""The scope of a token that opens the status page."""

COOKIE: Final = "fws_status"

SESSION: Final = 12 * 3600
"""Seconds that a log-in lasts."""

LONGEST_SECRET: Final = 8192


class Admin:
    """Lets in who has a token with the scope, the admin password, or the one-time link."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self._tokens = tokens
        self._password = settings.admin_password
        self._link_secret: str | None = None
        self._link: str | None = None
        lasting = _lasting(settings, tokens)
        if lasting is None and not settings.signing_key_files:
            self._link_secret = secrets.token_urlsafe(24)
            self._link = digest(self._link_secret)
        # Whoever knows what the password's hash or the key is may make cookies, as it is.
        seed = f"fws status cookie {lasting or secrets.token_hex(32)}".encode()
        self._serializer = URLSafeTimedSerializer(hashlib.sha256(seed).digest(), salt=COOKIE)

    @property
    def link_secret(self) -> str | None:
        """The secret of the one-time link, where there is neither password nor signing key.

        Several processes have none: it would open the page of one of them, now and then.
        """
        return None if self._tokens.several_processes else self._link_secret

    @property
    def is_shut(self) -> bool:
        """Whether nobody can get in."""
        return self.link_secret is None and not self.has_form

    @property
    def has_form(self) -> bool:
        """Whether there is anything that could be typed: a password, or a token."""
        return self._password is not None or self._tokens.keys is not None

    def open_link(self, secret: str) -> bool:
        """Whether this is the secret of the one-time link, which ends with this."""
        if self.link_secret is None or self._link is None:
            return False
        if not hmac.compare_digest(self._link, digest(secret)):
            return False
        self._link = None
        return True

    def log_in(self, secret: str) -> bool:
        """Whether this is the admin password, or a token with the scope."""
        if len(secret) > LONGEST_SECRET:
            return False
        if self.claims_of_token(secret) is not None:
            return True
        if self._password is None:
            return False
        # A slow hash by design: the other connections don't wait for it.
        pool = get_hub().threadpool
        return bool(pool.apply(check_password_hash, (self._password, secret)))

    def claims_of_token(self, token: str) -> Claims | None:
        """The claims of a token, if it is valid and has the scope."""
        if token.count(".") != 2:
            return None  # a password, which is no token that was refused
        try:
            claims = self._tokens.verify(token)
        except TokenInvalid:
            return None
        return claims if SCOPE in claims.scope else None

    def cookie(self) -> str:
        """The value of a cookie for who was let in."""
        return str(self._serializer.dumps("admin"))

    def claims_of_cookie(self, value: str | None) -> Claims | None:
        """What a cookie is worth: claims that end when it does; None for one that is not valid."""
        try:
            _, made = self._serializer.loads(value or "", max_age=SESSION, return_timestamp=True)
        except BadSignature:
            return None
        end = made.timestamp() + SESSION
        # No token has these names, so whoever revokes one revokes no log-in.
        return Claims(sub="", jti="", iat=int(time.time()), exp=end, scope=SCOPE)


def _lasting(settings: Settings, tokens: Tokens) -> str | None:
    """A secret that a restart and the other processes of the server have too."""
    given = settings.admin_password or settings.signing_key
    keys, files = tokens.keys, settings.signing_key_files
    if given is None and files and keys is not None and keys.first.signing is not None:
        return Path(files[0].partition("=")[2]).read_text("latin-1")
    return given

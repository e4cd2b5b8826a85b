"""A server that others can reach is never open: without a login, one is made for this run."""

import secrets

from webui.contract.fields import replace
from webui.settings.declaration import Settings


def with_login(settings: Settings) -> tuple[Settings, str]:
    """The settings with a login where one is needed, and the one made for this run (or "")."""
    if settings.server.local_only or settings.server.auth:
        return settings, ""
    made = f"palimpsest:{secrets.token_urlsafe(15)}"
    return replace(settings, "server.auth", made), made

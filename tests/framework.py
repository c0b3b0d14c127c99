"""A small framework with the face that OneGov's shows to its cron jobs:
`application_id`, `sign`, `unsign`, permission rules, a setting."""

from __future__ import annotations

from typing import Any

import morepath
from itsdangerous import BadSignature, Signer

from cronsched.onegov import mount


class Public:
    """The permission that everybody has."""


def make_framework(**options: Any) -> Any:
    """A fresh framework class, mounted."""
    Framework = make_unmounted()
    mount(Framework, permission=Public, **options)
    return Framework


def make_unmounted() -> Any:
    """A fresh framework class that knows no cron jobs yet."""

    class Framework(morepath.App):
        application_id: str = 'municipalities/new-york'
        identity_secret = 'only for tests'

        def sign(self, text: str, salt: str = 'generic-signer') -> str:
            return self._signer(salt).sign(text.encode()).decode()

        def unsign(self, text: str, salt: str = 'generic-signer') -> str | None:
            try:
                return self._signer(salt).unsign(text).decode()
            except BadSignature:
                return None

        def _signer(self, salt: str) -> Signer:
            return Signer(self.identity_secret + self.application_id, salt=salt)

    @Framework.setting(section='cronjobs', name='enabled')
    def get_enabled() -> bool:
        return True

    @Framework.permission_rule(model=object, permission=Public, identity=None)
    def may_everybody(app: Any, identity: Any, model: Any, permission: Any) -> bool:
        return True

    return Framework


def make_app(**options: Any) -> Any:
    """An application of that framework, with a page."""

    class App(make_framework(**options)):  # type: ignore[misc]
        pass

    @App.path(path='')
    class Root:
        pass

    @App.json(model=Root)
    def view_root(self: Any, request: Any) -> dict[str, str]:
        return {}

    return App

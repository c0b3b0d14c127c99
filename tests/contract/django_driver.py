"""How the contract talks to Django; see drivers.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django_site import Swallowed, set_up, site

__all__ = ['DjangoDriver']


class DjangoApplication:
    """What tests ask of an application."""

    Swallowed = Swallowed


class DjangoDriver:
    """The project of `django_site`, under WSGI or ASGI. There is one in a
    process, so a second one takes its place."""

    def __init__(self, name: str, gateway: str, served: Any, transport: Any) -> None:
        self.name, self.gateway, self.served, self.transport = name, gateway, served, transport

    @contextmanager
    def serve(
        self, specs: list[Any], application_id: str = 'shop', **settings: Any
    ) -> Iterator[Any]:
        given = {name.upper(): value for name, value in settings.items()}
        middleware = ['django_site.Envelope']
        set_up()
        from django.conf import settings as project

        with site(
            CRONSCHED={'APPLICATION_ID': application_id, **given},
            MIDDLEWARE=[*project.MIDDLEWARE, *middleware],
        ):
            from cronsched.django import cronjob
            from cronsched.django.host import HOST

            for spec in specs:
                cronjob(**spec.keywords())(spec.function)
            app = self._app()
            yield self.served(
                application_id, HOST.site, self.transport(app), HOST.url_of, DjangoApplication()
            )

    def _app(self) -> Any:
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler

        return WSGIHandler() if self.gateway == 'wsgi' else ASGIHandler()

    def declare(self) -> tuple[Any, Callable[[], None]]:
        set_up()
        from cronsched.django import cronjob, jobs

        jobs.JOBS.clear()
        jobs.DUPLICATES.clear()
        return cronjob, jobs.refuse_duplicates

"""Django's application for ASGI, which hears when the server ends.

Example, in asgi.py::

    from cronsched.django.asgi import get_asgi_application

    application = get_asgi_application()

Django answers no lifespan, and uvicorn ends by a signal that runs no exit
handler: with Django's own application the other machines wait a few seconds
before they take over from one that is deployed. With this one they need not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.core.asgi import get_asgi_application as django_application

from cronsched.web.leaving import live

__all__ = ['get_asgi_application']

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def get_asgi_application() -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """In place of `django.core.asgi.get_asgi_application`."""
    application = django_application()

    async def with_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] == 'lifespan':
            return await live(receive, send)
        await application(scope, receive, send)

    return with_lifespan

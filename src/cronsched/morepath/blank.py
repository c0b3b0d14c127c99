"""A request that nobody sent, to make links with.

Example::

    request = app.request(blank_at('http://127.0.0.1:8080/app').environ)
"""

from __future__ import annotations

from urllib.parse import urlsplit

from webob import Request

__all__ = ['blank_at']


def blank_at(base_url: str, path: str = '/') -> Request:
    """A request to that address; webob makes none to a socket's."""
    parts = urlsplit(base_url)
    request = Request.blank(path, base_url=f'http://localhost{parts.path.rstrip("/")}')
    request.environ.update({'wsgi.url_scheme': parts.scheme, 'HTTP_HOST': parts.netloc})
    return request

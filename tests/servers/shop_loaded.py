"""Started while it is loaded: with uWSGI, in the master."""

from __future__ import annotations

import os

from shop_wsgi import application, cron

cron.start(f'http://127.0.0.1:{os.environ["PORT"]}')

__all__ = ['application']

"""The application under werkzeug's own server: port, and perhaps `reload`."""

from __future__ import annotations

import sys

from shop_wsgi import application
from werkzeug.serving import run_simple

run_simple('127.0.0.1', int(sys.argv[1]), application, use_reloader='reload' in sys.argv[2:])

"""The dashboard: pages about jobs and runs, made of what is in the ledger.

Example::

    dashboard = Dashboard(lambda: ledger)
    dashboard.respond(Request('GET', '/', 'q=cleanup'), Rights('read', 'ann'))

It knows no framework and no server: `cronsched.web.dashboard` puts it behind
WSGI and ASGI, and `cron.dashboard(auth=...)` of each adapter mounts it.
"""

from cronsched.base.extras import requires

with requires('dashboard'):
    from cronsched.dashboard.messages import Request, Response
    from cronsched.dashboard.rights import Auth, BasicAuth, Rights
    from cronsched.dashboard.site import Dashboard

__all__ = ['Auth', 'BasicAuth', 'Dashboard', 'Request', 'Response', 'Rights']

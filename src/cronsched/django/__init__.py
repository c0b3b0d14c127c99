"""Cron jobs for Django projects.

Example::

    INSTALLED_APPS += ['cronsched.django']                        # settings.py
    urlpatterns += [path('', include('cronsched.django.urls'))]   # urls.py

    # cron.py of any application: found by itself, as admin.py is
    from cronsched.django import cronjob

    @cronjob('0 8 * * *', retries=2)          # in settings.TIME_ZONE
    def send_invoices():
        ...

    @cronjob('*/5 * * * *', timeout=60)
    async def poll(run):
        ...

No middleware, no models, no migration.
"""

from cronsched.base.extras import requires

with requires('django'):
    from cronsched.django.jobs import cronjob

__all__ = ['cronjob']

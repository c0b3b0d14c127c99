"""Where the jobs are: one line in the project's urls.py.

Example::

    urlpatterns = [path('', include('cronsched.django.urls')), ...]

`async def` jobs have a view of their own, at the same path, so that Django
adapts neither to the other.
"""

from __future__ import annotations

from django.urls import include, path, register_converter

from cronsched.django import views
from cronsched.django.jobs import is_async

app_name = 'cronsched'


class JobName:
    """Any text, slashes and line feeds as well."""

    regex = r'(?s:.+)'

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class AsyncJobName(JobName):
    """The same, if it names an `async def`."""

    def to_python(self, value: str) -> str:
        if not is_async(value):
            raise ValueError(value)
        return value


register_converter(JobName, 'cronsched_job')
register_converter(AsyncJobName, 'cronsched_async_job')

JOBS = [
    path('<cronsched_async_job:name>', views.run_async, name='async_job'),
    path('<cronsched_job:name>', views.run, name='job'),
]

# One comparison for the requests of visitors.
urlpatterns = [path('cronjobs/', include(JOBS))]

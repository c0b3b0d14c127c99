"""Who is told what happens to runs: your own code, the log, Sentry,
Prometheus, OpenTelemetry, and checks like those of healthchecks.io.

Example::

    from cronsched.telemetry import RunEvent, listen

    @listen(outcomes=('failed', 'missed', 'lost'))
    def page(event: RunEvent) -> None:
        queue.put(f'{event.job} of {event.application_id}: {event.error}')
"""

from cronsched.telemetry.events import RunEvent
from cronsched.telemetry.listeners import forget, listen

__all__ = ['RunEvent', 'forget', 'listen']

"""Which run a job is called for, as those around it need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cronsched.jobs.job import Job

__all__ = ['Executed']


@dataclass(frozen=True, slots=True)
class Executed:
    """traceparent: of the request, as a proxy wrote it.
    said: fields of the log."""

    job: Job
    application_id: str
    run_id: str
    scheduled: datetime
    attempt: int
    said: Mapping[str, Any]
    traceparent: str | None = None

"""Figures for Prometheus, read from the ledger when they are asked for.

Example::

    from prometheus_client import REGISTRY
    from cronsched.telemetry.prometheus import Collector

    REGISTRY.register(Collector(ledger))

Every process that shares the ledger gives the same figures, so it does not
matter which worker answers, and none needs a directory of its own. Counters
only grow: what is pruned from the history stays counted.

One series for each job; `by_application=True` makes it one for each job and
application id, which are many where an application serves many tenants.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import inf
from typing import Final

from cronsched._version import __version__
from cronsched.base.extras import requires

with requires('prometheus'):
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        InfoMetricFamily,
        Metric,
    )

from cronsched.base import clock
from cronsched.errors import CronError
from cronsched.ledger import BUCKETS, KnownJob, Ledger, Total
from cronsched.schedule import Schedule
from cronsched.telemetry.fleet import families

__all__ = ['Collector']

Labels = tuple[str, ...]
UPPER: Final = (*BUCKETS, inf)

# Those that executed have a duration; the others are counted only.
EXECUTED: Final = frozenset(('ok', 'failed', 'timed_out', 'lost'))


class Collector:
    """See the module: a collector for any registry of `prometheus_client`.
    With `application_ids`, only those are told of."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        by_application: bool = False,
        application_ids: Iterable[str] | None = None,
    ) -> None:
        self._ledger = ledger
        self._by_application = by_application
        self._names = ['application_id', 'job'] if by_application else ['job']
        self._wanted = None if application_ids is None else frozenset(application_ids)

    def describe(self) -> list[Metric]:
        """Registering asks nothing: the ledger may not be there yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Raises `LedgerError`, so that a scrape fails rather than to say that
        nothing has run."""
        totals = [each for each in self._ledger.totals() if self._is_wanted(each.application_id)]
        jobs = [each for each in self._ledger.jobs() if self._is_wanted(each.application_id)]
        yield self._runs(totals)
        yield self._histogram(
            'cronsched_run_duration_seconds', 'How long runs took that were executed.',
            [(each, each.buckets, each.seconds) for each in totals if each.outcome in EXECUTED])
        yield self._histogram(
            'cronsched_run_lateness_seconds',
            'How long after they were due runs began to execute.',
            [(each, each.late_buckets, each.late_seconds)
             for each in totals if each.outcome in EXECUTED])
        seen = self._seen()
        yield from self._states(jobs, seen)
        yield from self._owners(seen)
        yield from families(self._ledger)
        yield InfoMetricFamily(
            'cronsched_build', 'The version of cronsched.', {'version': __version__})

    def _is_wanted(self, application_id: str) -> bool:
        return self._wanted is None or application_id in self._wanted

    def _labels(self, application_id: str, job: str) -> Labels:
        return (application_id, job) if self._by_application else (job,)

    # -- what ended ----------------------------------------------------------

    def _runs(self, totals: Iterable[Total]) -> Metric:
        family = CounterMetricFamily(
            'cronsched_runs', 'Runs by how they ended.', labels=[*self._names, 'outcome'])
        counts: dict[Labels, int] = defaultdict(int)
        for each in totals:
            counts[(*self._labels(each.application_id, each.job), each.outcome)] += each.count
        for labels, count in counts.items():
            family.add_metric(labels, count)
        return family

    def _histogram(
        self, name: str, text: str, of: Iterable[tuple[Total, Sequence[int], float]],
    ) -> Metric:
        family = HistogramMetricFamily(name, text, labels=self._names)
        counts: dict[Labels, list[int]] = defaultdict(lambda: [0] * len(UPPER))
        sums: dict[Labels, float] = defaultdict(float)
        for total, buckets, seconds in of:
            labels = self._labels(total.application_id, total.job)
            sums[labels] += seconds
            for index, count in enumerate(buckets):
                counts[labels][index] += count
        for labels, found in counts.items():
            upper = [('+Inf' if each == inf else str(each)) for each in UPPER]
            family.add_metric(labels, list(zip(upper, accumulate(found), strict=True)),
                              sums[labels])
        return family

    # -- what is -------------------------------------------------------------

    def _states(
        self, jobs: Sequence[KnownJob], seen: Mapping[str, bool],
    ) -> Iterator[Metric]:
        now, paused = clock.now(), self._ledger.paused()
        declared = [each for each in jobs if each.declared]
        # One series for many shows the one that is farthest behind. A tenant
        # that is no more, which nobody owns, is not behind.
        behind = declared if self._by_application else [
            each for each in declared if seen.get(each.application_id) or not any(seen.values())]
        yield self._gauge(
            'cronsched_last_run_timestamp_seconds', 'The latest scheduled time that has a record.',
            [(each, each.newest) for each in behind], min)
        yield self._gauge(
            'cronsched_last_success_timestamp_seconds',
            'The latest scheduled time whose run ended well.',
            [(each, each.last_success) for each in behind], min)
        yield self._gauge(
            'cronsched_next_run_timestamp_seconds', 'When the next run is due.',
            [(each, _next_due(each, now)) for each in behind], min)
        yield self._gauge(
            'cronsched_job_paused', 'Whether the job is paused.',
            [(each, (each.application_id, each.job) in paused or (None, each.job) in paused)
             for each in declared], max)
        yield self._executing(declared)

    def _executing(self, declared: Sequence[KnownJob]) -> Metric:
        counts: dict[Labels, int] = {
            self._labels(each.application_id, each.job): 0 for each in declared}
        for execution in self._ledger.executing():
            run = execution.run
            if self._is_wanted(run.application_id):
                labels = self._labels(run.application_id, run.job)
                counts[labels] = counts.get(labels, 0) + 1
        family = GaugeMetricFamily(
            'cronsched_runs_in_progress', 'Runs that execute now.', labels=self._names)
        for labels, count in counts.items():
            family.add_metric(labels, count)
        return family

    def _gauge(
        self, name: str, text: str, of: Iterable[tuple[KnownJob, float | None]],
        merge: Callable[[list[float]], float],
    ) -> Metric:
        family = GaugeMetricFamily(name, text, labels=self._names)
        found: dict[Labels, list[float]] = defaultdict(list)
        for known, value in of:
            if value is not None:
                found[self._labels(known.application_id, known.job)].append(float(value))
        for labels, values in found.items():
            family.add_metric(labels, merge(values))
        return family

    # -- who fires -----------------------------------------------------------

    def _seen(self) -> dict[str, bool]:
        """Each application id, and whether a living process owns it."""
        owners = self._ledger.owners()
        ids = [each.application_id for each in self._ledger.applications()]
        return {
            each: each in owners and owners[each].alive for each in ids if self._is_wanted(each)}

    def _owners(self, seen: Mapping[str, bool]) -> Iterator[Metric]:
        if self._by_application:
            family = GaugeMetricFamily(
                'cronsched_application_owned', 'Whether a living process makes the calls.',
                labels=['application_id'])
            for application_id, owned in seen.items():
                family.add_metric([application_id], owned)
            yield family
        yield GaugeMetricFamily(
            'cronsched_applications', 'Application ids that were seen.', len(seen))
        yield GaugeMetricFamily(
            'cronsched_applications_owned',
            'Application ids whose calls a living process makes.', sum(seen.values()))


def _next_due(known: KnownJob, now: float) -> float | None:
    if known.plan is None:
        return None
    try:
        schedule = Schedule(known.plan.expression, known.plan.timezone, seed=known.plan.seed)
    except CronError:
        return None   # of a version that knows more
    following = schedule.next_epoch(int(now - known.offset))
    return None if following is None else following + known.offset

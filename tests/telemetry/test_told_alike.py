"""What others are told is the same where machines share the ledger: the tests
of events, log fields, spans and metrics that read it or write to it, once more
over PostgreSQL."""

from __future__ import annotations

import postgres
import pytest
from test_events import (  # noqa: F401  (run here too)
    test_a_run_is_sent_and_has_ended,
    test_a_worker_tells_of_what_it_executes,
    test_an_attempt_that_is_followed_is_no_end,
    test_an_execution_that_outlives_its_sender_is_told_when_it_ends,
    test_the_ledger_knows_what_was_executed_when_it_is_told,
    test_what_executes_at_a_takeover_is_told_by_the_new_owner,
    test_what_was_missed_is_told_with_how_many,
)
from test_fields import (  # noqa: F401
    test_a_line_says_which_run_it_is_about,
    test_missed_and_attempts_have_them_too,
)
from test_opentelemetry import (  # noqa: F401
    exporter,
    test_a_span_says_which_run_it_is,
    test_what_a_job_raises_is_on_the_span,
)
from test_prometheus import (  # noqa: F401
    exposition,
    filled,
    now,
    test_counters_only_grow_though_the_history_is_pruned,
    test_durations_and_lateness_are_histograms,
    test_it_obeys_the_rules_of_names,
    test_one_series_for_each_application_id_if_wanted,
    test_only_those_asked_for_are_told_of,
    test_runs_are_counted_by_outcome,
    test_what_is_now,
)

import cronsched
from cronsched.base import clock
from cronsched.jobs.settings import Settings
from cronsched.ledger import open_ledger
from cronsched.scheduler.site import Site


@pytest.fixture
def ledger():
    ledger = open_ledger(postgres.server().clean_database())
    ledger.clock = clock.now
    yield ledger
    ledger.close()


@pytest.fixture
def cron(ledger):
    cron = cronsched.Cron('shop', timezone='UTC', enabled=False)
    cron._site = Site(Settings(), (), ledger, strict=False)
    return cron


def test_every_worker_gives_the_same_figures(filled):  # noqa: F811
    other = open_ledger(postgres.server().clean_url)
    other.clock = clock.now
    try:
        assert exposition(other) == exposition(filled)
    finally:
        other.close()

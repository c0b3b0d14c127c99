"""Options that a job does not have, and what to write instead."""

from __future__ import annotations

import re

import pytest

from cronsched.errors import OptionError
from cronsched.jobs.options import check


@pytest.mark.parametrize(('name', 'value', 'hint'), [
    ('minutes', 5,
     "write minute='*/5' for every 5 minutes, or minute=5 for minute 5 of each hour"),
    ('hours', 2, "hour='*/2' for every 2 hours"),
    ('minutes', '5', "did you mean 'minute'?"),
    ('expresion', '* * * * *', "did you mean 'expression'?"),
    ('day_of_week', 'mon', "write weekday='MON-FRI'"),
    ('tz', 'UTC', "write timezone='Europe/Zurich'"),
    ('xyzzy', 1, 'there are expression, second, minute, hour,'),
])
def test_an_option_of_others_says_what_to_write_here(name: str, value: object, hint: str) -> None:
    with pytest.raises(OptionError, match=re.escape(hint)) as caught:
        check({name: value})
    assert caught.value.field == name

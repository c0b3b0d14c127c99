"""The directive `cronjob`, which notices that its parentheses are missing.

Example::

    class App(morepath.App):
        cronjob = cronjob_directive()
        _cronjob = dectate.directive(CronjobAction)

Without parentheses the decorated function would be taken for the expression,
and nothing would ever be registered, without a word.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import dectate
from dectate.config import create_code_info

from cronsched.errors import CronError
from cronsched.morepath.directives import CronjobDirective
from cronsched.web import functions

__all__ = ['cronjob_directive']


def cronjob_directive() -> Any:
    """In place of `dectate.directive(CronjobDirective)`."""
    method: Any = dectate.directive(CronjobDirective)
    make = method.__func__
    depth = 1 if isinstance(method, classmethod) else 2   # dectate from 1.0 has a frame between

    @functools.wraps(make)
    def checked(cls: Any, *args: Any, **kwargs: Any) -> Any:
        place = create_code_info(sys._getframe(depth))
        try:
            functions.check_parentheses(args[0] if args else None, f'@{cls.__name__}.cronjob')
        except CronError as error:
            raise dectate.DirectiveReportError(str(error), place) from error
        directive = make(cls, *args, **kwargs)
        directive.code_info = place   # it saw a frame of ours
        return directive

    return type(method)(checked)

"""Sphinx for docs/: plain Markdown that reads well in the repository, made into
a site by `make docs` (see tools/docs.py).

The navigation is made of index.md's own lists of links, a group for each of its
headings; a page that it does not list is in the last group.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import docstrings  # noqa: E402  (beside this file)
from django.conf import settings  # noqa: E402

import cronsched  # noqa: E402

project = 'cronsched'
author = 'The cronsched developers'
project_copyright = f'2026, {author}'
version = release = cronsched.__version__

extensions = ['myst_parser', 'sphinx.ext.autodoc']
source_suffix = {'.md': 'markdown', '.rst': 'restructuredtext'}
exclude_patterns = ['_static']

# Anchors as the repository's own renderer makes them, so that links hold in both.
myst_heading_anchors = 4
myst_enable_extensions = ['strikethrough']
suppress_warnings = ['myst.strikethrough']   # it is for HTML, and so is this

# A word in single backquotes of a docstring is code.
default_role = 'code'
autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_preserve_defaults = True
autodoc_default_options = {'members': True}
python_use_unqualified_type_names = True
add_module_names = False

html_theme = 'furo'
html_title = 'cronsched'
html_static_path = ['_static']
html_css_files = ['cronsched.css']
html_logo = '_static/logo.svg'
html_favicon = '_static/logo.svg'
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    'light_css_variables': {
        'color-brand-primary': '#0f766e', 'color-brand-content': '#0f766e',
        'color-problematic': '#9f1239',
    },
    'dark_css_variables': {
        'color-brand-primary': '#5eead4', 'color-brand-content': '#5eead4',
    },
}

HEADING = re.compile(r'^## +(.+)$', re.MULTILINE)
LINK = re.compile(r'\]\(([\w-]+)\.(?:md|rst)\)')


def groups_of(index: str, pages: set[str]) -> dict[str, list[str]]:
    """The pages that the index links, by heading, and what it does not."""
    _, *parts = HEADING.split(index)
    groups = {
        title: list(dict.fromkeys(LINK.findall(text)))
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }
    groups = {title: names for title, names in groups.items() if names}
    named = {name for names in groups.values() for name in names}
    more = sorted(pages - named - {'index'})
    return groups | ({'More': more} if more else {})


def toctree(title: str, names: list[str]) -> str:
    return '\n'.join(('```{toctree}', ':hidden:', f':caption: {title}', '', *names, '```', ''))


def add_navigation(app: Any, docname: str, source: list[str]) -> None:
    if docname == 'index':
        groups = groups_of(source[0], set(app.project.docnames))
        source[0] += '\n' + '\n'.join(toctree(*group) for group in groups.items())


def setup(app: Any) -> None:
    settings.configure()     # what `cronsched.django` asks for when it is imported
    app.connect('source-read', add_navigation)
    app.connect('autodoc-process-docstring', docstrings.process)

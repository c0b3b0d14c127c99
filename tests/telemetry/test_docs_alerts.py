"""The alert rules of docs/telemetry.md name what there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from pages import ROOT, blocks_of
from prometheus_client.parser import text_string_to_metric_families
from test_prometheus import exposition, filled, now

from cronsched.telemetry.fleet import COUNTED

__all__ = ['filled', 'now']   # fixtures

PAGE = ROOT / 'docs' / 'telemetry.md'


def rules():
    block, = (each.text for each in blocks_of(PAGE) if each.language == 'yaml')
    return block


def test_the_rules_name_series_and_outcomes_that_there_are(filled):
    families = text_string_to_metric_families(exposition(filled))
    names = {sample.name for family in families for sample in family.samples}
    # Those of several machines are tried in `test_prometheus`.
    names |= {f'cronsched_{name}_total' for name in COUNTED}
    used = set(re.findall(r'cronsched_\w+', rules()))
    assert used
    assert used <= names
    from cronsched.ledger import OUTCOMES

    assert set(re.findall(r'outcome=~"([^"]*)"', rules())[0].split('|')) <= set(OUTCOMES)


def test_promtool_reads_them(tmp_path: Path):
    (tmp_path / 'rules.yml').write_text(rules())
    if shutil.which('promtool'):
        done = subprocess.run(
            ['promtool', 'check', 'rules', str(tmp_path / 'rules.yml')],
            text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_names_each_series(filled):
    text = PAGE.read_text()
    for family in text_string_to_metric_families(exposition(filled, by_application=True)):
        assert family.name in text

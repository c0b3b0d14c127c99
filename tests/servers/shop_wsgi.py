"""An application with a job that is due each second. What it does is written
to files in $SHOP: `ticks` (time, process) and `log`."""

from __future__ import annotations

import logging
import os
import time
import warnings
from pathlib import Path

from cronsched.web.cron import Cron

SHOP = Path(os.environ['SHOP'])


def note(name: str) -> None:
    # One write of one line: processes do not mix theirs.
    with open(SHOP / name, 'ab', buffering=0) as file:
        file.write(f'{time.time():.3f} {os.getpid()}\n'.encode())


handler = logging.FileHandler(SHOP / 'log', delay=True)
handler.setFormatter(logging.Formatter('%(created).3f %(process)d %(levelname)s %(message)s'))
logging.getLogger('cronsched').addHandler(handler)
logging.getLogger('cronsched').setLevel(logging.INFO)
logging.captureWarnings(True)
logging.getLogger('py.warnings').addHandler(handler)
warnings.filterwarnings('always', message='.*fork.*', category=DeprecationWarning)

time.sleep(float(os.environ.get('SHOP_IMPORT', '0')))
cron = Cron('shop', timezone='UTC', max_offset=0)


@cron.job('* * * * * *')
def tick() -> None:
    note('ticks')


def page(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '5')])
    return [b'hello']


note('imports')
application = cron.wsgi(page)

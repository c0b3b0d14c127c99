"""A shop with a page and three jobs, in FastAPI.

    uvicorn --workers 4 shop:app
    gunicorn -w 4 -k uvicorn_worker.UvicornWorker shop:app

What its jobs did: `cronsched history`.
"""

import asyncio
import logging
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse

from cronsched.fastapi import Cron, Run

logging.basicConfig(level=logging.INFO, format='%(asctime)s %(process)d %(name)s %(message)s')
log = logging.getLogger('shop')

app = FastAPI()
# Each second counts here: none is spread, and what a deploy missed is made up for.
cron = Cron('shop', timezone='Europe/Zurich', max_offset=0, catch_up=60, coalesce=False)
cron.mount(app)


async def get_prices():
    yield {'tea': 3}


@app.get('/')
async def page():
    return PlainTextResponse('Welcome to the shop.\n')


@cron.job('* * * * * *')
def tick(run: Run):
    log.info('tick %s', run.scheduled.isoformat())


@cron.job('* * * * * *')
async def poll(run: Run, prices: Annotated[dict, Depends(get_prices)]):
    await asyncio.sleep(0.01)
    log.info('poll %s', run.scheduled.isoformat())


@cron.job('0 8 * * MON-FRI', retries=2)
def send_invoices():
    log.info('invoices are on their way')

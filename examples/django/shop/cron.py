import asyncio
import logging

from cronsched.django import cronjob

log = logging.getLogger('shop')


@cronjob('* * * * * *')
def tick(run):
    log.info('tick %s', run.scheduled.isoformat())


@cronjob('* * * * * *')
async def poll(run):
    await asyncio.sleep(0.01)
    log.info('poll %s', run.scheduled.isoformat())


@cronjob('0 8 * * MON-FRI', retries=2)
def send_invoices():
    log.info('invoices are on their way')

"""The same for ASGI."""

from __future__ import annotations

from shop_wsgi import Cron, note

cron = Cron('shop', timezone='UTC', max_offset=0)


@cron.job('* * * * * *')
async def tick() -> None:
    note('ticks')


async def page(scope, receive, send):
    if scope['type'] == 'lifespan':
        message = {'type': ''}
        while message['type'] != 'lifespan.shutdown':
            message = await receive()
            await send({'type': f'{message["type"]}.complete'})
        return
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'hello'})


application = cron.asgi(page)

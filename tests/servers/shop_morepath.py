"""A Morepath application, started by its visitors."""

from __future__ import annotations

from shop_wsgi import note

from cronsched.morepath import CronApp


class App(CronApp):
    pass


@App.cronjob('* * * * * *', timezone='UTC', max_offset=0)
def tick(request):
    note('ticks')


@App.path(path='')
class Root:
    pass


@App.view(model=Root)
def view_root(self, request):
    return 'hello'


App.commit()
application = App()

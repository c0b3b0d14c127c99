#!/usr/bin/env python
"""A shop with a page and three jobs.

    python manage.py runserver
    gunicorn -w 4 shop.wsgi
    uvicorn --workers 4 shop.asgi:application

What its jobs did: `python manage.py cron history`.
"""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == '__main__':
    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')
    execute_from_command_line(sys.argv)

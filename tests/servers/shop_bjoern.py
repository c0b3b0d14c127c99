"""The shop under bjoern, which has no command of its own."""

import sys

import bjoern
from shop_wsgi import application

bjoern.run(application, '127.0.0.1', int(sys.argv[1]))

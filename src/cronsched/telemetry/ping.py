"""Checks that hear of each run, like those of healthchecks.io.

Example::

    @cron.job('0 3 * * *', ping='https://hc-ping.com/0b5c...')
    def vacuum(): ...

    pings = Pings()
    pings.tell(event, 'https://hc-ping.com/KEY/{slug}')

`URL/start` when the first attempt is sent, `URL` when the run has ended well
(or was skipped, as wanted), `URL/fail` with the error in the body when it has
not; `?rid=` names the run, as a UUID. Nothing for a run that was never sent:
silence is the alarm.

Requests go to the address in the settings and to no other: no redirect is
followed, and no proxy of the environment is used. A thread of its own sends
them, each in at most five seconds; what the server says is not read.
When more than a thousand wait, the oldest are dropped, and the log says so.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import time
import uuid
from collections import deque
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from cronsched._version import __version__
from cronsched.base.forks import await_gone
from cronsched.base.locks import Lock
from cronsched.base.text import printable
from cronsched.base.workers import Worker
from cronsched.telemetry.events import RunEvent
from cronsched.telemetry.slugs import slug

__all__ = ['Ping', 'Pings', 'ping_of']

log = logging.getLogger('cronsched.telemetry')

PATIENCE: Final = 5.0       # seconds, for all of one
MOST_WAITING: Final = 1000
IDLE: Final = 0.05          # seconds between two looks at an empty queue
LINGER: Final = 20          # looks, until the thread ends
COMPLAINT: Final = 60.0     # seconds between two lines in the log
MOST_READ: Final = 65       # bytes; 'HTTP/1.1 200' and why

GOOD: Final = ('ok', 'skipped_overlap', 'skipped_paused')
BAD: Final = ('failed', 'timed_out', 'unreachable', 'lost')


class Ping(NamedTuple):
    """One request: `kind` is '' or '/start' or '/fail'."""

    url: str
    kind: str
    run_id: str
    body: str = ''

    def target(self) -> str:
        path = urlsplit(self.url).path.rstrip('/') + self.kind
        return f'{path}?rid={uuid.UUID(self.run_id.removeprefix("run_"))}'


def ping_of(event: RunEvent, url: str) -> Ping | None:
    """What the event means for the check at `url`."""
    kind = _kind(event)
    if kind is None:
        return None
    url = url.replace('{slug}', slug(event.application_id, event.job))
    body = '' if kind == '/start' else event.error or event.outcome or ''
    return Ping(url, kind, event.run_id, body)


def _kind(event: RunEvent) -> str | None:
    if event.kind == 'sent' and event.attempt == 1:
        return '/start'
    if event.outcome == 'missed' and event.attempt:
        return '/fail'   # it was sent, and nobody took it
    if event.kind in ('ended', 'overdue'):
        return '' if event.outcome in GOOD else '/fail' if event.outcome in BAD else None
    return None


class Pings:
    """See the module. Its thread is there while something is to be sent."""

    def __init__(self) -> None:
        self._waiting: deque[Ping] = deque(maxlen=MOST_WAITING)
        self._lock = Lock()
        self._worker: Worker | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._sending = False
        self._idle = 0
        self._paused = False
        self._complained = -COMPLAINT
        self._dropped = 0

    def tell(self, event: RunEvent, url: str) -> None:
        ping = ping_of(event, url)
        if ping is not None:
            self._dropped += len(self._waiting) == MOST_WAITING
            self._waiting.append(ping)
            self._go_on()

    def _go_on(self) -> None:
        with self._lock:
            if self._paused or not self._waiting:
                return
            if self._worker is None or not self._worker.go_on():
                self._idle = 0
                self._worker = Worker('cronsched-ping', self._turn)
                self._worker.thread.start()

    def pause(self, timeout: float = 2.0) -> None:
        """No thread of it runs when this returns; what was being sent is sent
        again by `resume`."""
        self._paused = True
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.stopping = True
        end = time.monotonic() + timeout
        while worker.thread.is_alive() and time.monotonic() < end:
            self._interrupt()   # it may just be about to connect
            worker.thread.join(IDLE)
        if not worker.thread.is_alive():
            await_gone(worker.thread.native_id, timeout)

    def resume(self) -> None:
        self._paused = False
        self._go_on()

    def flush(self, timeout: float) -> None:
        """Until everything is sent, or the time is over."""
        end = time.monotonic() + timeout
        while (self._waiting or self._sending) and time.monotonic() < end:
            time.sleep(IDLE / 5)

    # -- its thread ----------------------------------------------------------

    def _turn(self) -> None:
        self._sending = True   # before it is taken: `flush` looks at the queue first
        try:
            ping = self._waiting.popleft()
        except IndexError:
            self._sending = False
            self._rest()
            return
        self._idle = 0
        try:
            self._send(ping)
        except Exception as error:
            if self._paused:
                self._waiting.appendleft(ping)
            else:
                self._complain(ping, f'{type(error).__name__}: {error}')
        finally:
            self._connection = None
            self._sending = False

    def _rest(self) -> None:
        self._idle += 1
        if self._idle < LINGER:
            time.sleep(IDLE)
            return
        with self._lock:
            # Who adds one meanwhile waits for the lock, and takes that back.
            if not self._waiting and self._worker is not None:
                self._worker.stopping = True

    def _send(self, ping: Ping) -> None:
        end = time.monotonic() + PATIENCE
        parts = urlsplit(ping.url)
        kind = http.client.HTTPSConnection if parts.scheme == 'https' else (
            http.client.HTTPConnection)
        connection = self._connection = kind(parts.netloc, timeout=PATIENCE)
        try:
            connection.request('POST', ping.target(), ping.body.encode(), {
                'User-Agent': f'cronsched/{__version__}', 'Connection': 'close'})
            status = _status(connection.sock, end)
        finally:
            connection.close()
        if not 200 <= status < 300:
            self._complain(ping, f'status {status}')

    def _interrupt(self) -> None:
        connection = self._connection
        sock = None if connection is None else connection.sock
        with contextlib.suppress(OSError):
            if sock is not None:
                sock.shutdown(socket.SHUT_RDWR)

    def _complain(self, ping: Ping, why: str) -> None:
        """Now and then: a check that is away says so by itself."""
        now = time.monotonic()
        if now < self._complained + COMPLAINT:
            return
        self._complained = now
        dropped = f'; {self._dropped} were dropped as too many wait' if self._dropped else ''
        # Without its path, which is all the check's secret.
        log.warning(
            'a ping to %s did not arrive: %s%s',
            printable(urlsplit(ping.url).netloc), printable(why), dropped)


def _status(sock: socket.socket, end: float) -> int:
    """Of the answer's first line. A server that sends a byte now and then is
    not waited for."""
    said = b''
    while b'\n' not in said and len(said) < MOST_READ:
        sock.settimeout(max(end - time.monotonic(), 0.001))
        piece = sock.recv(MOST_READ)
        if not piece:
            break
        said += piece
    words = said.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b'HTTP/') or not words[1].isdigit():
        raise http.client.BadStatusLine(repr(said[:20]))
    return int(words[1])

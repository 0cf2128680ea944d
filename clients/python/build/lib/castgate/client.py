"""The client of the control API, for programs without asyncio."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
import time
from typing import Any, Iterator, Optional

from . import verbs
from .batch import CommandList
from .call import Call, Command, batches
from .errors import CastgateError, malformed
from .http1 import MAX_IDLE, Address, Answer, Lines, Retries, decode, problem, reply
from .methods import answering, listing
from .types import Event


class Client:
    """Calls one gateway. Any thread may use it; connections are kept and shared.

    ``address`` is host:port, unix:/path, or an http or https URL, which may have a
    path; without it CASTGATE_CONTROL is used, or else 127.0.0.1:7273. ``key`` is a
    key of the control API, or else CASTGATE_CONTROL_KEY.

    ``timeout`` limits each attempt of a call in seconds; of a listing it limits how
    long the next row may take. A time-out is not retried. ``retries`` is how often
    a call is repeated: if it has certainly not been executed, and otherwise only a
    query or a change of state, never a push, a kick, a bind with kick_old or a
    batch with one of these. ``retry_pushes`` repeats those too: a client may then
    get a message twice. ``tls`` is for https addresses: authorities and client
    certificates.
    """

    def __init__(
        self,
        address: Optional[str] = None,
        key: Optional[str] = None,
        *,
        connect_timeout: float = 3.0,
        timeout: float = 15.0,
        retries: int = 2,
        retry_pushes: bool = False,
        max_body: int = 1_000_000,
        max_commands: int = 10_000,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        self._address = Address(address, key, tls)
        self._connect_timeout, self._timeout = connect_timeout, timeout
        self._retries, self._retry_pushes = retries, retry_pushes
        self._max_body, self._max_commands = max_body, max_commands
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._pid = os.getpid()

    def close(self) -> None:
        """Closes the connections that are kept. The client can still be used."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    bind = answering(verbs.bind)
    unbind = answering(verbs.unbind)
    unbind_uids = answering(verbs.unbind_uids)
    join = answering(verbs.join)
    leave = answering(verbs.leave)
    ungroup = answering(verbs.ungroup)
    push = answering(verbs.push)
    push_raw = answering(verbs.push_raw)
    kick = answering(verbs.kick)
    online = answering(verbs.online)
    counts = answering(verbs.counts)
    put_session = answering(verbs.put_session)
    patch_session = answering(verbs.patch_session)
    client = answering(verbs.client)
    stats = answering(verbs.stats)
    nodes = answering(verbs.nodes)
    reload = answering(verbs.reload)
    clients = listing(verbs.clients)
    uids = listing(verbs.uids)
    groups = listing(verbs.groups)
    client_page = answering(verbs.client_page)
    uid_page = answering(verbs.uid_page)
    group_page = answering(verbs.group_page)
    event_page = answering(verbs.event_page)
    dead_events = answering(verbs.dead_events)
    replay = answering(verbs.replay)

    def ready(self) -> bool:
        """Tells whether the gateway takes clients: false while it stops."""
        try:
            self._attempt(verbs.ready())
        except CastgateError as e:
            if e.code != "not_ready":
                raise
            return False
        return True

    def events(self, *, after: Optional[str] = None, limit: Optional[int] = None, wait: Optional[int] = None) -> Iterator[Event]:
        """Lists events, oldest first, until a page is empty: with ``wait`` until none has come for that long.

        The arguments are those of event_page.
        """
        while True:
            page = self.event_page(after=after, limit=limit, wait=wait)
            yield from page["events"]
            if not page["events"]:
                return
            after = page["last"]

    def batch(self) -> Batch:
        """Begins a batch: commands that are sent in few requests, in order."""
        return Batch(self)

    # What follows is for this package.

    def _answer(self, call: Call[Any]) -> Any:
        retries = Retries(self._retries, self._retry_pushes)
        while True:
            try:
                return self._attempt(call)
            except CastgateError as e:
                time.sleep(retries.after(call, e, e.retry_after))

    def _attempt(self, call: Call[Any]) -> Any:
        with self._open(call) as connection:
            body = connection.rest()
            return decode(body, 200)

    def _rows(self, call: Call[Any]) -> Iterator[Any]:
        retries = Retries(self._retries, self._retry_pushes)
        while True:
            try:
                connection = self._open(call)
                break
            except CastgateError as e:
                time.sleep(retries.after(call, e, e.retry_after))
        with connection:
            lines = Lines()
            while not connection.answer.complete:
                yield from lines.feed(connection.answer.take())
                connection.read()
            yield from lines.feed(connection.answer.take())
            yield from lines.finish()

    def _send(self, commands: list[Command[Any]]) -> list[Any]:
        replies: list[Any] = []
        for call, some in batches(commands, self._max_commands, self._max_body):
            lines = list(self._rows(call))
            if len(lines) != len(some):
                raise malformed(200, f"{len(lines)} replies to {len(some)} commands")
            replies += [reply(line) for line in lines]
        return replies

    def _open(self, call: Call[Any]) -> _Connection:
        """Makes a request. Returns once the head of a 200 has arrived."""
        connection = self._connection()
        try:
            connection.ask(call)
            answer = connection.answer
            if answer.status == 200:
                return connection
            error = problem(answer.status, connection.rest())
            error.retry_after = answer.headers.get("retry-after")
        except BaseException:
            connection.close()
            raise
        connection.release()
        raise error

    def _connection(self) -> _Connection:
        now = time.monotonic()
        with self._lock:
            if self._pid != os.getpid():  # connections are the parent's
                self._idle, self._pid = [], os.getpid()
            while self._idle:
                connection = self._idle.pop()
                if connection.usable(now):
                    return connection
                connection.close()
        return _Connection(self)


class Batch(CommandList):
    """Commands that are sent in few requests, in order. Those that fail stop no others."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def send(self) -> list[Any]:
        """Sends the commands and empties the batch.

        There is a reply for each command, in order: its answer, or a CastgateError,
        which is not raised. What is raised concerns a whole request.
        """
        return self._client._send(self._taken())


class _Connection:
    """A connection that is used for one request at a time."""

    def __init__(self, client: Client) -> None:
        self.client, self.address, self.timeout = client, client._address, client._timeout
        self.answer = Answer()
        self.idle_since = 0.0
        self.deadline = 0.0
        try:
            self.socket = self._connect(client._connect_timeout)
        except socket.timeout as e:
            raise self.address.late(client._connect_timeout, False) from e
        except (OSError, ValueError) as e:  # ValueError: a path with a zero byte
            raise self.address.lost(e, False) from e

    def _connect(self, timeout: float) -> socket.socket:
        a = self.address
        if a.unix is not None:
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                plain.settimeout(timeout)
                plain.connect(a.unix)
            except BaseException:
                plain.close()
                raise
            return plain
        plain = socket.create_connection((a.host, a.port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if a.tls is None:
            return plain
        try:
            return a.tls.wrap_socket(plain, server_hostname=a.server_name)
        except BaseException:
            plain.close()
            raise

    def usable(self, now: float) -> bool:
        """Whether the gateway has not closed the connection. It never speaks first."""
        if now - self.idle_since > MAX_IDLE:
            return False
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return not poll.poll(0)

    def ask(self, call: Call[Any]) -> None:
        """Sends a request and reads the head of its answer."""
        self.answer = Answer()
        self.timeout = self.client._timeout + call.longer
        self.deadline = time.monotonic() + self.timeout
        try:
            self.socket.settimeout(self.timeout)
            self.socket.sendall(self.address.request(call))
        except socket.timeout as e:
            raise self.address.late(self.timeout, True) from e
        except OSError:
            pass  # an answer that refuses the body may have arrived before it was sent
        while self.answer.status == 0:
            self.read(keep_deadline=True)

    def read(self, keep_deadline: bool = False) -> None:
        """Reads what comes next. Unless the deadline is kept, each read has the whole time-out."""
        try:
            left = self.deadline - time.monotonic() if keep_deadline else self.timeout
            if left <= 0:
                raise socket.timeout
            self.socket.settimeout(left)
            self.answer.feed(self.socket.recv(64 << 10))
        except socket.timeout as e:
            raise self.address.late(self.timeout, True) from e
        except (OSError, EOFError, ValueError) as e:  # ValueError: it is not HTTP
            raise self.address.lost(e, True) from e

    def rest(self) -> bytes:
        while not self.answer.complete:
            self.read(keep_deadline=True)
        return self.answer.take()

    def release(self) -> None:
        """Keeps the connection if its answer is complete, and closes it otherwise."""
        if not self.answer.complete or not self.answer.keep:
            self.close()
            return
        self.idle_since = time.monotonic()
        with self.client._lock:
            if len(self.client._idle) < 16 and self.client._pid == os.getpid():
                self.client._idle.append(self)
                return
        self.close()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

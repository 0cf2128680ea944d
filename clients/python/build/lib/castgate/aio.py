"""The client of the control API for asyncio."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any, AsyncIterator, Optional

from . import verbs
from .batch import CommandList
from .call import Call, Command, batches
from .errors import CastgateError, malformed
from .http1 import MAX_IDLE, Address, Answer, Lines, Retries, decode, problem, reply
from .methods import answering_later, listing_later
from .types import Event


class AsyncClient:
    """Is Client for asyncio, with the same arguments. One event loop may use it.

    A listing that is left early keeps its connection until its iterator is closed:
    ``async with contextlib.aclosing(gateway.clients()) as rows``.
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
        self._idle: list[_Connection] = []

    async def close(self) -> None:
        """Closes the connections that are kept. The client can still be used."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    bind = answering_later(verbs.bind)
    unbind = answering_later(verbs.unbind)
    unbind_uids = answering_later(verbs.unbind_uids)
    join = answering_later(verbs.join)
    leave = answering_later(verbs.leave)
    ungroup = answering_later(verbs.ungroup)
    push = answering_later(verbs.push)
    push_raw = answering_later(verbs.push_raw)
    kick = answering_later(verbs.kick)
    online = answering_later(verbs.online)
    counts = answering_later(verbs.counts)
    put_session = answering_later(verbs.put_session)
    patch_session = answering_later(verbs.patch_session)
    client = answering_later(verbs.client)
    stats = answering_later(verbs.stats)
    nodes = answering_later(verbs.nodes)
    reload = answering_later(verbs.reload)
    clients = listing_later(verbs.clients)
    uids = listing_later(verbs.uids)
    groups = listing_later(verbs.groups)
    client_page = answering_later(verbs.client_page)
    uid_page = answering_later(verbs.uid_page)
    group_page = answering_later(verbs.group_page)
    event_page = answering_later(verbs.event_page)
    dead_events = answering_later(verbs.dead_events)
    replay = answering_later(verbs.replay)

    async def ready(self) -> bool:
        """Tells whether the gateway takes clients: false while it stops."""
        try:
            await self._attempt(verbs.ready())
        except CastgateError as e:
            if e.code != "not_ready":
                raise
            return False
        return True

    async def events(self, *, after: Optional[str] = None, limit: Optional[int] = None, wait: Optional[int] = None) -> AsyncIterator[Event]:
        """Lists events, oldest first, until a page is empty: with ``wait`` until none has come for that long.

        The arguments are those of event_page.
        """
        while True:
            page = await self.event_page(after=after, limit=limit, wait=wait)
            for event in page["events"]:
                yield event
            if not page["events"]:
                return
            after = page["last"]

    def batch(self) -> AsyncBatch:
        """Begins a batch: commands that are sent in few requests, in order."""
        return AsyncBatch(self)

    # What follows is for this package.

    async def _answer(self, call: Call[Any]) -> Any:
        retries = Retries(self._retries, self._retry_pushes)
        while True:
            try:
                return await self._attempt(call)
            except CastgateError as e:
                await asyncio.sleep(retries.after(call, e, e.retry_after))

    async def _attempt(self, call: Call[Any]) -> Any:
        connection = await self._open(call)
        try:
            return decode(await connection.rest(), 200)
        finally:
            connection.release()

    async def _rows(self, call: Call[Any]) -> AsyncIterator[Any]:
        retries = Retries(self._retries, self._retry_pushes)
        while True:
            try:
                connection = await self._open(call)
                break
            except CastgateError as e:
                await asyncio.sleep(retries.after(call, e, e.retry_after))
        try:
            lines = Lines()
            while not connection.answer.complete:
                for row in lines.feed(connection.answer.take()):
                    yield row
                await connection.read(self._timeout)
            for row in lines.feed(connection.answer.take()):
                yield row
            for row in lines.finish():
                yield row
        finally:
            connection.release()

    async def _send(self, commands: list[Command[Any]]) -> list[Any]:
        replies: list[Any] = []
        for call, some in batches(commands, self._max_commands, self._max_body):
            lines = [line async for line in self._rows(call)]
            if len(lines) != len(some):
                raise malformed(200, f"{len(lines)} replies to {len(some)} commands")
            replies += [reply(line) for line in lines]
        return replies

    async def _open(self, call: Call[Any]) -> _Connection:
        """Makes a request. Returns once the head of a 200 has arrived."""
        connection = await self._connection()
        try:
            await connection.ask(call)
            answer = connection.answer
            if answer.status == 200:
                return connection
            error = problem(answer.status, await connection.rest())
            error.retry_after = answer.headers.get("retry-after")
        except BaseException:
            connection.close()
            raise
        connection.release()
        raise error

    async def _connection(self) -> _Connection:
        now, loop = time.monotonic(), asyncio.get_running_loop()
        while self._idle:
            connection = self._idle.pop()
            if connection.loop is loop and connection.usable(now):
                return connection
            if connection.loop is loop:
                connection.close()
        connection = _Connection(self)
        await connection.open(self._connect_timeout)
        return connection


class AsyncBatch(CommandList):
    """Is Batch for asyncio."""

    def __init__(self, client: AsyncClient) -> None:
        super().__init__()
        self._client = client

    async def send(self) -> list[Any]:
        """Sends the commands and empties the batch; see Batch.send."""
        return await self._client._send(self._taken())


class _Connection:
    """A connection that is used for one request at a time."""

    def __init__(self, client: AsyncClient) -> None:
        self.client, self.address, self.timeout = client, client._address, client._timeout
        self.loop = asyncio.get_running_loop()
        self.answer = Answer()
        self.idle_since = 0.0
        self.deadline = 0.0
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def open(self, timeout: float) -> None:
        a = self.address
        try:
            if a.unix is not None:
                opening = asyncio.open_unix_connection(a.unix)
            else:
                opening = asyncio.open_connection(a.host, a.port, ssl=a.tls, server_hostname=a.server_name if a.tls else None)
            self.reader, self.writer = await asyncio.wait_for(opening, timeout)
        except (asyncio.TimeoutError, TimeoutError) as e:
            raise a.late(timeout, False) from e
        except (OSError, ValueError) as e:
            raise a.lost(e, False) from e

    def usable(self, now: float) -> bool:
        """Whether the gateway has not closed the connection."""
        return now - self.idle_since <= MAX_IDLE and not self.reader.at_eof() and not self.writer.is_closing()

    async def ask(self, call: Call[Any]) -> None:
        """Sends a request and reads the head of its answer."""
        self.answer = Answer()
        self.timeout = self.client._timeout + call.longer
        self.deadline = time.monotonic() + self.timeout
        try:
            self.writer.write(self.address.request(call))
            await asyncio.wait_for(self.writer.drain(), self.timeout)
        except (asyncio.TimeoutError, TimeoutError) as e:
            raise self.address.late(self.timeout, True) from e
        except OSError:
            pass  # an answer that refuses the body may have arrived before it was sent
        while self.answer.status == 0:
            await self.read(self.deadline - time.monotonic())

    async def read(self, seconds: float) -> None:
        """Reads what comes next."""
        try:
            self.answer.feed(await asyncio.wait_for(self.reader.read(64 << 10), max(seconds, 0.001)))
        except (asyncio.TimeoutError, TimeoutError) as e:
            raise self.address.late(self.timeout, True) from e
        except (OSError, EOFError, ValueError) as e:  # ValueError: it is not HTTP
            raise self.address.lost(e, True) from e

    async def rest(self) -> bytes:
        while not self.answer.complete:
            await self.read(self.deadline - time.monotonic())
        return self.answer.take()

    def release(self) -> None:
        """Keeps the connection if its answer is complete, and closes it otherwise."""
        if not self.answer.complete or not self.answer.keep or len(self.client._idle) >= 16:
            self.close()
            return
        self.idle_since = time.monotonic()
        self.client._idle.append(self)

    def close(self) -> None:
        self.writer.close()

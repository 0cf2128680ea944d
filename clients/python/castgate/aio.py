"""The client of the control API for asyncio."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any, AsyncIterator, Iterable, Mapping, Optional, Union

from . import call as _call
from .batch import CommandList
from .call import MISSING, Call
from .errors import CastgateError, malformed
from .http1 import MAX_IDLE, Address, Answer, Lines, Retries, decode, problem, reply
from .types import (
    BindAnswer,
    ClientDetails,
    ClientPage,
    ClientRow,
    CountsAnswer,
    GroupPage,
    GroupRow,
    KickAnswer,
    MembershipAnswer,
    OnlineAnswer,
    PushAnswer,
    ReloadAnswer,
    Stats,
    UIDPage,
    UIDRow,
    UnbindAnswer,
    UngroupAnswer,
)

Names = Optional[Iterable[str]]


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

    async def bind(self, client_id: str, uid: str, groups: Names = None, kick_old: bool = False) -> BindAnswer:
        """Makes a client one of a uid's connections, and joins it to groups.

        ``kick_old`` closes the uid's other connections with 4001. The error
        ``unknown_client`` says that the client has left meanwhile.
        """
        return await self._answer(_call.bind(client_id, uid, groups, kick_old).call())

    async def unbind(self, client_id: str) -> UnbindAnswer:
        """Takes a client's uid away. Its groups stay."""
        return await self._answer(_call.unbind(client_id).call())

    async def unbind_uids(self, uids: Iterable[str]) -> UnbindAnswer:
        """Takes their uid from all connections of uids."""
        return await self._answer(_call.unbind_uids(uids).call())

    async def join(self, groups: Iterable[str], *, client_ids: Names = None, uids: Names = None) -> MembershipAnswer:
        """Makes clients members of groups."""
        return await self._answer(_call.membership("join", groups, client_ids, uids).call())

    async def leave(self, groups: Iterable[str], *, client_ids: Names = None, uids: Names = None) -> MembershipAnswer:
        """Takes clients out of groups."""
        return await self._answer(_call.membership("leave", groups, client_ids, uids).call())

    async def ungroup(self, groups: Iterable[str]) -> UngroupAnswer:
        """Empties groups."""
        return await self._answer(_call.ungroup(groups).call())

    async def push(
        self,
        *,
        client_ids: Names = None,
        uids: Names = None,
        groups: Names = None,
        all: bool = False,
        text: Optional[str] = None,
        json: Any = MISSING,
        data: Optional[bytes] = None,
        exclude_client_ids: Names = None,
        exclude_uids: Names = None,
        wait: bool = False,
    ) -> PushAnswer:
        """Sends a message: one of ``text``, ``json`` and ``data`` (binary).

        It is not an error if nobody is there. Every client gets one copy, however
        many targets match it. With ``wait`` the answer comes once the message has
        been written, or dropped, for every client.
        """
        to, exclude = _call.targets(client_ids, uids, groups, all), _call.exclusions(exclude_client_ids, exclude_uids)
        return await self._answer(_call.push(to, exclude, text, json, data, wait).call())

    async def push_raw(
        self,
        message: Union[str, bytes],
        *,
        client_ids: Names = None,
        uids: Names = None,
        groups: Names = None,
        all: bool = False,
        exclude_client_ids: Names = None,
        exclude_uids: Names = None,
        wait: bool = False,
    ) -> PushAnswer:
        """Is push with the message as the body of the request, which costs less for large ones."""
        to, exclude = _call.targets(client_ids, uids, groups, all), _call.exclusions(exclude_client_ids, exclude_uids)
        return await self._answer(_call.push_raw(message, to, exclude, wait))

    async def kick(
        self,
        *,
        client_ids: Names = None,
        uids: Names = None,
        groups: Names = None,
        all: bool = False,
        code: Optional[int] = None,
        reason: Optional[str] = None,
        text: Optional[str] = None,
        exclude_client_ids: Names = None,
        exclude_uids: Names = None,
    ) -> KickAnswer:
        """Closes clients after what is queued for them.

        ``code`` is 1000, the default, or 3000 to 4999; ``text`` is a last message.
        """
        to, exclude = _call.targets(client_ids, uids, groups, all), _call.exclusions(exclude_client_ids, exclude_uids)
        return await self._answer(_call.kick(to, exclude, code, reason, text).call())

    async def online(self, *, client_ids: Names = None, uids: Names = None) -> OnlineAnswer:
        """Tells which clients are connected, and how many connections uids have."""
        return await self._answer(_call.online(client_ids, uids).call())

    async def counts(self, *, groups: Names = None, uids: Names = None) -> CountsAnswer:
        """Counts the members of groups and the connections of uids."""
        return await self._answer(_call.counts(groups, uids).call())

    async def put_session(self, client_id: str, session: Mapping[str, Any]) -> dict[str, Any]:
        """Replaces a client's session, at most 4 KiB of JSON, and returns it."""
        return await self._answer(_call.session("PUT", client_id, session))

    async def patch_session(self, client_id: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Changes a client's session by a JSON merge patch (RFC 7396), and returns it."""
        return await self._answer(_call.session("PATCH", client_id, patch))

    async def client(self, client_id: str) -> ClientDetails:
        """Returns what the gateway knows of a client."""
        return await self._answer(Call("GET", _call.client_path(client_id)))

    async def stats(self, *, cluster: bool = False) -> Stats:
        """Returns the gateway's counters, or the sums of all nodes of a cluster."""
        return await self._answer(Call("GET", "/v1/stats?cluster=1" if cluster else "/v1/stats"))

    async def reload(self) -> ReloadAnswer:
        """Makes the gateway read its configuration again."""
        return await self._answer(Call("POST", "/v1/reload"))

    async def ready(self) -> bool:
        """Tells whether the gateway takes clients: false while it stops."""
        try:
            await self._attempt(Call("GET", "/readyz"))
        except CastgateError as e:
            if e.code != "not_ready":
                raise
            return False
        return True

    def clients(self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None) -> AsyncIterator[ClientRow]:
        """Lists clients as they arrive. If it raises, the listing is not complete."""
        return self._rows(_call.listing("clients", uid, group, limit))

    def uids(self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None) -> AsyncIterator[UIDRow]:
        """Lists uids and their numbers of connections, as clients does."""
        return self._rows(_call.listing("uids", uid, group, limit))

    def groups(self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None) -> AsyncIterator[GroupRow]:
        """Lists groups and their numbers of members, as clients does."""
        return self._rows(_call.listing("groups", uid, group, limit))

    async def client_page(
        self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None
    ) -> ClientPage:
        """Returns a page of clients; ``cursor`` is next_cursor of the page before."""
        return await self._answer(_call.listing("clients", uid, group, limit, cursor, lines=False))

    async def uid_page(
        self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None
    ) -> UIDPage:
        """Returns a page of uids."""
        return await self._answer(_call.listing("uids", uid, group, limit, cursor, lines=False))

    async def group_page(
        self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None
    ) -> GroupPage:
        """Returns a page of groups."""
        return await self._answer(_call.listing("groups", uid, group, limit, cursor, lines=False))

    def batch(self) -> AsyncBatch:
        """Begins a batch: commands that are sent in few requests, in order."""
        return AsyncBatch(self)

    # What follows is for this package.

    async def _answer(self, call: Call) -> Any:
        retries = Retries(self._retries, self._retry_pushes)
        while True:
            try:
                return await self._attempt(call)
            except CastgateError as e:
                await asyncio.sleep(retries.after(call, e, getattr(e, "retry_after", None)))

    async def _attempt(self, call: Call) -> Any:
        connection = await self._open(call)
        try:
            return decode(await connection.rest(), 200)
        finally:
            connection.release()

    async def _rows(self, call: Call) -> AsyncIterator[Any]:
        retries = Retries(self._retries, self._retry_pushes)
        while True:
            try:
                connection = await self._open(call)
                break
            except CastgateError as e:
                await asyncio.sleep(retries.after(call, e, getattr(e, "retry_after", None)))
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

    async def _send(self, commands: list[_call.Command]) -> list[Any]:
        replies: list[Any] = []
        for call, some in _call.batches(commands, self._max_commands, self._max_body):
            lines = [line async for line in self._rows(call)]
            if len(lines) != len(some):
                raise malformed(200, f"{len(lines)} replies to {len(some)} commands")
            replies += [reply(line) for line in lines]
        return replies

    async def _open(self, call: Call) -> _Connection:
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

    async def ask(self, call: Call) -> None:
        """Sends a request and reads the head of its answer."""
        self.answer = Answer()
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
        except (OSError, EOFError) as e:
            raise self.address.lost(e, True) from e
        except ValueError as e:
            raise malformed(0, e) from e

    async def rest(self) -> bytes:
        parts = [self.answer.take()]
        while not self.answer.complete:
            await self.read(self.deadline - time.monotonic())
            parts.append(self.answer.take())
        return b"".join(parts)

    def release(self) -> None:
        """Keeps the connection if its answer is complete, and closes it otherwise."""
        if not self.answer.complete or not self.answer.keep or len(self.client._idle) >= 16:
            self.close()
            return
        self.idle_since = time.monotonic()
        self.client._idle.append(self)

    def close(self) -> None:
        self.writer.close()

"""The client of the control API, for programs without asyncio."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
import time
from typing import Any, Iterable, Iterator, Mapping, Optional, Union

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

    def bind(self, client_id: str, uid: str, groups: Names = None, kick_old: bool = False) -> BindAnswer:
        """Makes a client one of a uid's connections, and joins it to groups.

        ``kick_old`` closes the uid's other connections with 4001. The error
        ``unknown_client`` says that the client has left meanwhile.
        """
        return self._answer(_call.bind(client_id, uid, groups, kick_old).call())

    def unbind(self, client_id: str) -> UnbindAnswer:
        """Takes a client's uid away. Its groups stay."""
        return self._answer(_call.unbind(client_id).call())

    def unbind_uids(self, uids: Iterable[str]) -> UnbindAnswer:
        """Takes their uid from all connections of uids."""
        return self._answer(_call.unbind_uids(uids).call())

    def join(self, groups: Iterable[str], *, client_ids: Names = None, uids: Names = None) -> MembershipAnswer:
        """Makes clients members of groups."""
        return self._answer(_call.membership("join", groups, client_ids, uids).call())

    def leave(self, groups: Iterable[str], *, client_ids: Names = None, uids: Names = None) -> MembershipAnswer:
        """Takes clients out of groups."""
        return self._answer(_call.membership("leave", groups, client_ids, uids).call())

    def ungroup(self, groups: Iterable[str]) -> UngroupAnswer:
        """Empties groups."""
        return self._answer(_call.ungroup(groups).call())

    def push(
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
        return self._answer(_call.push(to, exclude, text, json, data, wait).call())

    def push_raw(
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
        return self._answer(_call.push_raw(message, to, exclude, wait))

    def kick(
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
        return self._answer(_call.kick(to, exclude, code, reason, text).call())

    def online(self, *, client_ids: Names = None, uids: Names = None) -> OnlineAnswer:
        """Tells which clients are connected, and how many connections uids have."""
        return self._answer(_call.online(client_ids, uids).call())

    def counts(self, *, groups: Names = None, uids: Names = None) -> CountsAnswer:
        """Counts the members of groups and the connections of uids."""
        return self._answer(_call.counts(groups, uids).call())

    def put_session(self, client_id: str, session: Mapping[str, Any]) -> dict[str, Any]:
        """Replaces a client's session, at most 4 KiB of JSON, and returns it."""
        return self._answer(_call.session("PUT", client_id, session))

    def patch_session(self, client_id: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Changes a client's session by a JSON merge patch (RFC 7396), and returns it."""
        return self._answer(_call.session("PATCH", client_id, patch))

    def client(self, client_id: str) -> ClientDetails:
        """Returns what the gateway knows of a client."""
        return self._answer(Call("GET", _call.client_path(client_id)))

    def stats(self, *, cluster: bool = False) -> Stats:
        """Returns the gateway's counters, or the sums of all nodes of a cluster."""
        return self._answer(Call("GET", "/v1/stats?cluster=1" if cluster else "/v1/stats"))

    def reload(self) -> ReloadAnswer:
        """Makes the gateway read its configuration again."""
        return self._answer(Call("POST", "/v1/reload"))

    def ready(self) -> bool:
        """Tells whether the gateway takes clients: false while it stops."""
        try:
            self._attempt(Call("GET", "/readyz"))
        except CastgateError as e:
            if e.code != "not_ready":
                raise
            return False
        return True

    def clients(self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None) -> Iterator[ClientRow]:
        """Lists clients as they arrive. If it raises, the listing is not complete."""
        return self._rows(_call.listing("clients", uid, group, limit))

    def uids(self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None) -> Iterator[UIDRow]:
        """Lists uids and their numbers of connections, as clients does."""
        return self._rows(_call.listing("uids", uid, group, limit))

    def groups(self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None) -> Iterator[GroupRow]:
        """Lists groups and their numbers of members, as clients does."""
        return self._rows(_call.listing("groups", uid, group, limit))

    def client_page(
        self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None
    ) -> ClientPage:
        """Returns a page of clients; ``cursor`` is next_cursor of the page before."""
        return self._answer(_call.listing("clients", uid, group, limit, cursor, lines=False))

    def uid_page(
        self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None
    ) -> UIDPage:
        """Returns a page of uids."""
        return self._answer(_call.listing("uids", uid, group, limit, cursor, lines=False))

    def group_page(
        self, *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None
    ) -> GroupPage:
        """Returns a page of groups."""
        return self._answer(_call.listing("groups", uid, group, limit, cursor, lines=False))

    def batch(self) -> Batch:
        """Begins a batch: commands that are sent in few requests, in order."""
        return Batch(self)

    # What follows is for this package.

    def _answer(self, call: Call) -> Any:
        retries = Retries(self._retries, self._retry_pushes)
        while True:
            try:
                return self._attempt(call)
            except CastgateError as e:
                time.sleep(retries.after(call, e, getattr(e, "retry_after", None)))

    def _attempt(self, call: Call) -> Any:
        with self._open(call) as connection:
            body = connection.rest()
            return decode(body, 200)

    def _rows(self, call: Call) -> Iterator[Any]:
        retries = Retries(self._retries, self._retry_pushes)
        while True:
            try:
                connection = self._open(call)
                break
            except CastgateError as e:
                time.sleep(retries.after(call, e, getattr(e, "retry_after", None)))
        with connection:
            lines = Lines()
            while not connection.answer.complete:
                yield from lines.feed(connection.answer.take())
                connection.read()
            yield from lines.feed(connection.answer.take())
            yield from lines.finish()

    def _send(self, commands: list[_call.Command]) -> list[Any]:
        replies: list[Any] = []
        for call, some in _call.batches(commands, self._max_commands, self._max_body):
            lines = list(self._rows(call))
            if len(lines) != len(some):
                raise malformed(200, f"{len(lines)} replies to {len(some)} commands")
            replies += [reply(line) for line in lines]
        return replies

    def _open(self, call: Call) -> _Connection:
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

    def ask(self, call: Call) -> None:
        """Sends a request and reads the head of its answer."""
        self.answer = Answer()
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
        except (OSError, EOFError) as e:
            raise self.address.lost(e, True) from e
        except ValueError as e:
            raise malformed(0, e) from e

    def rest(self) -> bytes:
        parts = [self.answer.take()]
        while not self.answer.complete:
            self.read(keep_deadline=True)
            parts.append(self.answer.take())
        return b"".join(parts)

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

"""What every call sends: the table that Client, AsyncClient and their batches share.

A function here has the arguments and the documentation of the method that is made of
it. It returns the request, with the type of its answer.
"""

from __future__ import annotations

import base64
from typing import Any, Iterable, Mapping, Optional, Union

from .call import JSON, MISSING, Call, Command, encode, given, named, path, utf8
from .types import (
    BindAnswer,
    ClientDetails,
    ClientPage,
    ClientRow,
    CountsAnswer,
    DeadEvents,
    EventPage,
    GroupPage,
    GroupRow,
    KickAnswer,
    MembershipAnswer,
    NodeList,
    OnlineAnswer,
    PushAnswer,
    ReloadAnswer,
    ReplayAnswer,
    Stats,
    UIDPage,
    UIDRow,
    UnbindAnswer,
    UngroupAnswer,
)

Names = Optional[Iterable[str]]


def bind(client_id: str, uid: str, groups: Names = None, kick_old: bool = False) -> Command[BindAnswer]:
    """Makes a client one of a uid's connections, and joins it to groups.

    ``kick_old`` closes the uid's other connections with 4001. The error
    ``unknown_client`` says that the client has left meanwhile.
    """
    return Command("bind", given(client_id=client_id, uid=uid, groups=named(groups), exclusive="kick_old" if kick_old else None))


def unbind(client_id: str) -> Command[UnbindAnswer]:
    """Takes a client's uid away. Its groups stay."""
    return Command("unbind", {"client_id": client_id})


def unbind_uids(uids: Iterable[str]) -> Command[UnbindAnswer]:
    """Takes their uid from all connections of uids."""
    return Command("unbind", {"uids": named(uids)})


def join(groups: Iterable[str], *, client_ids: Names = None, uids: Names = None) -> Command[MembershipAnswer]:
    """Makes clients members of groups."""
    return Command("join", given(groups=named(groups), client_ids=named(client_ids), uids=named(uids)))


def leave(groups: Iterable[str], *, client_ids: Names = None, uids: Names = None) -> Command[MembershipAnswer]:
    """Takes clients out of groups."""
    return Command("leave", given(groups=named(groups), client_ids=named(client_ids), uids=named(uids)))


def ungroup(groups: Iterable[str]) -> Command[UngroupAnswer]:
    """Empties groups."""
    return Command("ungroup", {"groups": named(groups)})


def push(
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
) -> Command[PushAnswer]:
    """Sends a message: one of ``text``, ``json`` and ``data`` (binary).

    It is not an error if nobody is there. Every client gets one copy, however
    many targets match it. With ``wait`` the answer comes once the message has
    been written, or dropped, for every client.
    """
    exclude = _exclude(exclude_client_ids, exclude_uids)
    body: dict[str, Any] = {"to": _to(client_ids, uids, groups, all), **given(exclude=exclude, text=text)}
    if json is not MISSING:
        body["json"] = json
    if data is not None:
        body["base64"] = base64.b64encode(data).decode()
    if wait:
        body["wait"] = "written"
    return Command("push", body)


def push_raw(
    message: Union[str, bytes],
    *,
    client_ids: Names = None,
    uids: Names = None,
    groups: Names = None,
    all: bool = False,
    exclude_client_ids: Names = None,
    exclude_uids: Names = None,
    wait: bool = False,
) -> Call[PushAnswer]:
    """Is push with the message as the body of the request, which costs less for large ones."""
    query = given(
        client_id=named(client_ids),
        uid=named(uids),
        group=named(groups),
        exclude_client_id=named(exclude_client_ids),
        exclude_uid=named(exclude_uids),
        all="1" if all else None,
        binary=None if isinstance(message, str) else "1",
        wait="written" if wait else None,
    )
    body = utf8(message) if isinstance(message, str) else bytes(message)
    return Call("POST", path("push", "raw", query=query), False, body, "application/octet-stream")


def kick(
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
) -> Command[KickAnswer]:
    """Closes clients after what is queued for them.

    ``code`` is 1000, the default, or 3000 to 4999; ``text`` is a last message.
    """
    exclude = _exclude(exclude_client_ids, exclude_uids)
    return Command("kick", {"to": _to(client_ids, uids, groups, all), **given(exclude=exclude, code=code, reason=reason, text=text)})


def online(*, client_ids: Names = None, uids: Names = None) -> Command[OnlineAnswer]:
    """Tells which clients are connected, and how many connections uids have."""
    return Command("online", given(client_ids=named(client_ids), uids=named(uids)))


def counts(*, groups: Names = None, uids: Names = None) -> Command[CountsAnswer]:
    """Counts the members of groups and the connections of uids."""
    return Command("counts", given(groups=named(groups), uids=named(uids)))


def put_session(client_id: str, session: Mapping[str, Any]) -> Call[dict[str, Any]]:
    """Replaces a client's session, at most 4 KiB of JSON, and returns it."""
    return Call("PUT", path("clients", client_id, "session"), True, encode(session), JSON)


def patch_session(client_id: str, patch: Mapping[str, Any]) -> Call[dict[str, Any]]:
    """Changes a client's session by a JSON merge patch (RFC 7396), and returns it."""
    return Call("PATCH", path("clients", client_id, "session"), True, encode(patch), JSON)


def put_session_command(client_id: str, session: Mapping[str, Any]) -> Command[dict[str, Any]]:
    """Replaces a client's session."""
    return Command("put_session", {"client_id": client_id, "session": session})


def patch_session_command(client_id: str, patch: Mapping[str, Any]) -> Command[dict[str, Any]]:
    """Changes a client's session by a JSON merge patch."""
    return Command("patch_session", {"client_id": client_id, "session": patch})


def client(client_id: str) -> Call[ClientDetails]:
    """Returns what the gateway knows of a client."""
    return Call("GET", path("clients", client_id))


def stats(*, cluster: bool = False) -> Call[Stats]:
    """Returns the gateway's counters, or the sums of all nodes of a cluster."""
    return Call("GET", path("stats", query={"cluster": 1} if cluster else {}))


def nodes() -> Call[NodeList]:
    """Returns what the node asked knows of the cluster's nodes; none without a cluster."""
    return Call("GET", path("nodes"))


def reload() -> Call[ReloadAnswer]:
    """Makes the gateway read its configuration again."""
    return Call("POST", path("reload"))


def ready() -> Call[Any]:
    """Tells whether the gateway takes clients: false while it stops."""
    return Call("GET", "/readyz")


def clients(*, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None) -> Call[ClientRow]:
    """Lists clients as they arrive. If it raises, the listing is not complete."""
    return Call("GET", path("clients", query=given(uid=uid, group=group, limit=limit)), lines=True)


def uids(*, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None) -> Call[UIDRow]:
    """Lists uids and their numbers of connections, as clients does."""
    return Call("GET", path("uids", query=given(uid=uid, group=group, limit=limit)), lines=True)


def groups(*, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None) -> Call[GroupRow]:
    """Lists groups and their numbers of members, as clients does."""
    return Call("GET", path("groups", query=given(uid=uid, group=group, limit=limit)), lines=True)


def client_page(
    *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None
) -> Call[ClientPage]:
    """Returns a page of clients; ``cursor`` is next_cursor of the page before."""
    return Call("GET", path("clients", query=given(uid=uid, group=group, limit=limit, cursor=cursor)))


def uid_page(
    *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None
) -> Call[UIDPage]:
    """Returns a page of uids."""
    return Call("GET", path("uids", query=given(uid=uid, group=group, limit=limit, cursor=cursor)))


def group_page(
    *, uid: Optional[str] = None, group: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None
) -> Call[GroupPage]:
    """Returns a page of groups."""
    return Call("GET", path("groups", query=given(uid=uid, group=group, limit=limit, cursor=cursor)))


def event_page(*, after: Optional[str] = None, limit: Optional[int] = None, wait: Optional[int] = None) -> Call[EventPage]:
    """Returns events, oldest first: those after an id, or all that are kept.

    ``last`` of the answer is ``after`` of the next page. An empty page waits for an
    event for ``wait`` seconds, up to 60; an attempt may then take that much longer
    than the time-out. The error ``event_gone`` says that events after that id are
    not kept any more.
    """
    return Call("GET", path("events", query=given(after=after, limit=limit, wait=wait)), longer=wait or 0)


def dead_events() -> Call[DeadEvents]:
    """Returns events that a backend does not accept, although it accepts others."""
    return Call("GET", path("events", "dead"))


def replay(*, after: Optional[str] = None, ids: Names = None, dead: bool = False) -> Call[ReplayAnswer]:
    """Tells events again: all after an id, or of those that were set aside some or all.

    It is repeated as a push is: only if it has certainly not been executed.
    """
    return Call("POST", path("events", "replay", query=given(after=after, id=named(ids), dead="1" if dead else None)), False)


def _to(client_ids: Names, uids: Names, groups: Names, all: bool) -> dict[str, Any]:
    return given(client_ids=named(client_ids), uids=named(uids), groups=named(groups), all=True if all else None)


def _exclude(client_ids: Names, uids: Names) -> Optional[dict[str, Any]]:
    return given(client_ids=named(client_ids), uids=named(uids)) or None

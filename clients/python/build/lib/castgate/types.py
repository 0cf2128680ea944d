# Generated from the OpenAPI document by make clients. Do not edit.
"""Values of the control API, and the codes of its problems."""

from __future__ import annotations

from typing import Any, Optional, TypedDict

#: Codes of problems, in CastgateError.code.
PROBLEM_CODES = frozenset({
    "bad_request",
    "body_too_large",
    "browser",
    "busy",
    "deadline",
    "duplicate_field",
    "event_gone",
    "forbidden",
    "header_too_large",
    "http_version",
    "internal",
    "invalid_base64",
    "invalid_close_code",
    "invalid_cursor",
    "invalid_json",
    "invalid_limit",
    "invalid_name",
    "invalid_parameter",
    "invalid_reason",
    "invalid_session",
    "invalid_utf8",
    "invalid_value",
    "length_required",
    "message_too_large",
    "missing_field",
    "no_payload",
    "no_target",
    "node_unreachable",
    "not_found",
    "not_ready",
    "reload_refused",
    "session_too_large",
    "several_payloads",
    "stopping",
    "timeout",
    "too_deep",
    "too_many",
    "too_many_connections",
    "too_many_groups",
    "unauthorized",
    "unknown_client",
    "unknown_field",
    "unknown_parameter",
    "unsupported_media_type",
    "wrong_type",
})


class Targets(TypedDict, total=False):
    #: Every client.
    all: bool
    #: Clients by their ids. Unknown ones match nobody.
    client_ids: list[str]
    #: All clients of these groups.
    groups: list[str]
    #: All present connections of these uids.
    uids: list[str]


class Exclude(TypedDict, total=False):
    #: Not to these clients.
    client_ids: list[str]
    #: Not to these uids.
    uids: list[str]


class _BindAnswer(TypedDict):
    #: Connections closed by exclusive.
    kicked: int
    #: The uid the client had before.
    previous_uid: Optional[str]


class BindAnswer(_BindAnswer, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]


class _UnbindAnswer(TypedDict):
    #: The uid that client_id had; null where uids are given.
    previous_uid: Optional[str]
    #: Clients that lost their uid.
    unbound: int


class UnbindAnswer(_UnbindAnswer, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]


class _MembershipAnswer(TypedDict):
    #: Memberships (client × group) added or removed.
    changed: int
    unknown_client_ids: list[str]


class MembershipAnswer(_MembershipAnswer, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]


class _UngroupAnswer(TypedDict):
    #: Memberships that ended.
    changed: int


class UngroupAnswer(_UngroupAnswer, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]


class _PushAnswer(TypedDict):
    #: Deliveries that ended without being written.
    dropped: int
    #: Clients the push is for.
    matched: int
    #: Deliveries not ended yet; without wait all of them.
    queued: int


class PushAnswer(_PushAnswer, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]
    #: With wait: frames handed to the kernel whole.
    written: int


class _KickAnswer(TypedDict):
    #: Clients closed.
    kicked: int


class KickAnswer(_KickAnswer, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]


class _OnlineAnswer(TypedDict):
    client_ids: dict[str, bool]
    #: Connections by uid.
    uids: dict[str, int]


class OnlineAnswer(_OnlineAnswer, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]


class _CountsAnswer(TypedDict):
    groups: dict[str, int]
    uids: dict[str, int]


class CountsAnswer(_CountsAnswer, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]


class ReloadAnswer(TypedDict):
    #: Settings whose value, or whose file's content, changed.
    changed: list[str]
    #: Settings whose new value is ignored until a restart.
    needs_restart: list[str]


class ClientRow(TypedDict):
    client_id: str
    connected_at: str
    groups: list[str]
    #: host:port; behind a trusted proxy, what the proxy reports, with port 0 if it reports none
    remote_addr: str
    #: null if none was set.
    session: Optional[dict[str, Any]]
    uid: Optional[str]


class ClientDetails(TypedDict):
    client_id: str
    connected_at: str
    groups: list[str]
    #: Bytes queued for the client's socket.
    queued_bytes: int
    #: Frames queued for it.
    queued_frames: int
    #: host:port; behind a trusted proxy, what the proxy reports, with port 0 if it reports none
    remote_addr: str
    #: null if none was set.
    session: Optional[dict[str, Any]]
    uid: Optional[str]


class UIDRow(TypedDict):
    clients: int
    uid: str


class GroupRow(TypedDict):
    clients: int
    group: str


class _ClientPage(TypedDict):
    clients: list[ClientRow]
    #: The cursor parameter of the next page, null after the last.
    next_cursor: Optional[str]


class ClientPage(_ClientPage, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]


class _UIDPage(TypedDict):
    #: The cursor parameter of the next page, null after the last.
    next_cursor: Optional[str]
    uids: list[UIDRow]


class UIDPage(_UIDPage, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]


class _GroupPage(TypedDict):
    groups: list[GroupRow]
    #: The cursor parameter of the next page, null after the last.
    next_cursor: Optional[str]


class GroupPage(_GroupPage, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]


class StatsCompression(TypedDict):
    #: Clients that negotiated it.
    clients: int
    #: Compressed messages that were refused, by reason.
    errors: dict[str, int]
    #: Compressed messages from clients.
    messages_received: int
    #: Bytes of their frames.
    push_bytes_after: int
    #: Bytes of payload of the compressed pushes.
    push_bytes_before: int
    #: Pushes compressed.
    pushes: int
    #: Pushes sent uncompressed because compression did not make them shorter.
    pushes_not_shorter: int
    #: Bytes they inflated to.
    received_bytes_after: int
    #: Compressed bytes from clients.
    received_bytes_before: int


class _Stats(TypedDict):
    #: Errors of accept on client listeners; each is retried.
    accept_errors: int
    #: Client sockets accepted.
    accepted: int
    #: Times an acceptor paused because of handshake-rate.
    accepts_delayed: int
    #: Client addresses tracked for connection limits or connect rates.
    addresses: int
    #: Bytes read from client sockets.
    bytes_received: int
    #: Bytes written to client sockets.
    bytes_sent: int
    #: Client connections closed, by reason.
    closes: dict[str, int]
    #: permessage-deflate (RFC 7692); all zero unless it is enabled.
    compression: StatsCompression
    #: Clients whose handshake has finished.
    connections: int
    #: Deliveries dropped by reason.
    dropped: dict[str, int]
    #: Groups in use.
    groups: int
    #: Handshakes by result.
    handshakes: dict[str, int]
    #: How late the slowest event loop was for its last tick.
    loop_lag_seconds: float
    #: Event loops.
    loops: int
    #: Deliveries asked for; matched = written + dropped + queued.
    matched: int
    #: Maximum number of open client sockets.
    max_conns: int
    #: Messages received from clients.
    messages_received: int
    #: This gateway's number in a cluster.
    node: int
    #: Panics recovered.
    panics: int
    #: Pings sent to silent clients.
    pings_sent: int
    #: Pushes accepted.
    pushes: int
    #: Pushes answered 503.
    pushes_refused: int
    #: Accepted pushes that matched no client.
    pushes_unmatched: int
    #: Deliveries that are neither written nor dropped yet.
    queued: int
    #: Bytes queued for client sockets.
    queued_bytes: int
    #: Open client sockets, whatever their phase.
    sockets: int
    started_at: str
    #: Uids in use.
    uids: int
    #: System calls that wrote to client sockets.
    writes: int
    #: Deliveries written.
    written: int


class Stats(_Stats, total=False):
    #: Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
    complete: bool
    #: With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
    unreachable: list[int]


class NodeList(TypedDict):
    nodes: list[Node]


class Node(TypedDict):
    #: Its control API.
    address: str
    #: Since it was last heard.
    age_seconds: float
    clients: int
    #: By how much its wall clock is ahead.
    clock_difference_seconds: float
    #: Of the process: another start has another.
    instance: str
    #: Shortest time that a message and its answer took.
    lag_seconds: float
    #: For how long it still counts the node asked as alive; of that node itself, the shortest.
    lease_seconds: float
    node: int
    #: suspect: a member that was not heard for half a lease; foreign: it belongs to a cluster of its own; version: it speaks another version of the protocol.
    state: str
    version: str


class EventPage(TypedDict):
    events: list[Event]
    #: The after parameter of the next page.
    last: Optional[str]


class _Event(TypedDict):
    data: dict[str, Any]
    datacontenttype: str
    #: Never given twice; the same in every attempt.
    id: str
    #: The process that the client was connected to.
    instance: str
    #: The node.
    source: str
    specversion: str
    time: str
    #: Such as castgate.client.connected.
    type: str


class Event(_Event, total=False):
    #: Of a client's events, from 1 without holes.
    sequence: int
    #: The client id; of uid events, the uid.
    subject: str


class DeadEvents(TypedDict):
    events: list[DeadEvent]


class DeadEvent(TypedDict):
    error: str
    event: Event
    id: str
    set_aside_at: str
    #: Of its last answer, 0 for none.
    status: int
    #: The backend, without its query; null if it is none any more.
    url: Optional[str]


class ReplayAnswer(TypedDict):
    #: Events set aside that were not accepted again.
    failed: int
    #: Events after the given one, which are told again in their turn.
    queued: int
    #: Events set aside that were accepted now.
    replayed: int


class Problem(TypedDict):
    #: Stable, for programs.
    code: str
    #: For humans; may change.
    detail: str
    status: int
    title: str
    type: str

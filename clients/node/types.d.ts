// Generated from the OpenAPI document by make clients. Do not edit.

/** Codes of problems, in CastgateError.code. */
export type ProblemCode =
  | 'bad_request'
  | 'body_too_large'
  | 'browser'
  | 'busy'
  | 'deadline'
  | 'duplicate_field'
  | 'event_gone'
  | 'forbidden'
  | 'header_too_large'
  | 'http_version'
  | 'internal'
  | 'invalid_base64'
  | 'invalid_close_code'
  | 'invalid_cursor'
  | 'invalid_json'
  | 'invalid_limit'
  | 'invalid_name'
  | 'invalid_parameter'
  | 'invalid_reason'
  | 'invalid_session'
  | 'invalid_utf8'
  | 'invalid_value'
  | 'length_required'
  | 'message_too_large'
  | 'missing_field'
  | 'no_payload'
  | 'no_target'
  | 'node_unreachable'
  | 'not_found'
  | 'not_ready'
  | 'reload_refused'
  | 'session_too_large'
  | 'several_payloads'
  | 'stopping'
  | 'timeout'
  | 'too_deep'
  | 'too_many'
  | 'too_many_connections'
  | 'too_many_groups'
  | 'unauthorized'
  | 'unknown_client'
  | 'unknown_field'
  | 'unknown_parameter'
  | 'unsupported_media_type'
  | 'wrong_type'
  ;

/** Receivers: at least one of the lists, or all. A client named in several ways counts once; empty lists name nobody. */
export interface Targets {
  /** Every client. */
  all?: boolean;
  /** Clients by their ids. Unknown ones match nobody. */
  client_ids?: string[];
  /** All clients of these groups. */
  groups?: string[];
  /** All present connections of these uids. */
  uids?: string[];
}

/** Excluded from to. */
export interface Exclude {
  /** Not to these clients. */
  client_ids?: string[];
  /** Not to these uids. */
  uids?: string[];
}

export interface BindAnswer {
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  /** Connections closed by exclusive. */
  kicked: number;
  /** The uid the client had before. */
  previous_uid: string | null;
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
}

export interface UnbindAnswer {
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  /** The uid that client_id had; null where uids are given. */
  previous_uid: string | null;
  /** Clients that lost their uid. */
  unbound: number;
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
}

export interface MembershipAnswer {
  /** Memberships (client × group) added or removed. */
  changed: number;
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  unknown_client_ids: string[];
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
}

export interface UngroupAnswer {
  /** Memberships that ended. */
  changed: number;
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
}

export interface PushAnswer {
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  /** Deliveries that ended without being written. */
  dropped: number;
  /** Clients the push is for. */
  matched: number;
  /** Deliveries not ended yet; without wait all of them. */
  queued: number;
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
  /** With wait: frames handed to the kernel whole. */
  written?: number;
}

export interface KickAnswer {
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  /** Clients closed. */
  kicked: number;
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
}

export interface OnlineAnswer {
  client_ids: Record<string, boolean>;
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  /** Connections by uid. */
  uids: Record<string, number>;
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
}

export interface CountsAnswer {
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  groups: Record<string, number>;
  uids: Record<string, number>;
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
}

export interface ReloadAnswer {
  /** Settings whose value, or whose file's content, changed. */
  changed: string[];
  /** Settings whose new value is ignored until a restart. */
  needs_restart: string[];
}

export interface ClientRow {
  client_id: string;
  connected_at: string;
  groups: string[];
  /** host:port; behind a trusted proxy, what the proxy reports, with port 0 if it reports none */
  remote_addr: string;
  /** null if none was set. */
  session: Record<string, unknown> | null;
  uid: string | null;
}

export interface ClientDetails {
  client_id: string;
  connected_at: string;
  groups: string[];
  /** Bytes queued for the client's socket. */
  queued_bytes: number;
  /** Frames queued for it. */
  queued_frames: number;
  /** host:port; behind a trusted proxy, what the proxy reports, with port 0 if it reports none */
  remote_addr: string;
  /** null if none was set. */
  session: Record<string, unknown> | null;
  uid: string | null;
}

export interface UIDRow {
  clients: number;
  uid: string;
}

export interface GroupRow {
  clients: number;
  group: string;
}

export interface ClientPage {
  clients: ClientRow[];
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  /** The cursor parameter of the next page, null after the last. */
  next_cursor: string | null;
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
}

export interface UIDPage {
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  /** The cursor parameter of the next page, null after the last. */
  next_cursor: string | null;
  uids: UIDRow[];
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
}

export interface GroupPage {
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  groups: GroupRow[];
  /** The cursor parameter of the next page, null after the last. */
  next_cursor: string | null;
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
}

export interface Stats {
  /** Errors of accept on client listeners; each is retried. */
  accept_errors: number;
  /** Client sockets accepted. */
  accepted: number;
  /** Times an acceptor paused because of handshake-rate. */
  accepts_delayed: number;
  /** Client addresses tracked for connection limits or connect rates. */
  addresses: number;
  /** Bytes read from client sockets. */
  bytes_received: number;
  /** Bytes written to client sockets. */
  bytes_sent: number;
  /** Client connections closed, by reason. */
  closes: Record<string, number>;
  /** Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have. */
  complete?: boolean;
  /** permessage-deflate (RFC 7692); all zero unless it is enabled. */
  compression: {
    /** Clients that negotiated it. */
    clients: number;
    /** Compressed messages that were refused, by reason. */
    errors: Record<string, number>;
    /** Compressed messages from clients. */
    messages_received: number;
    /** Bytes of their frames. */
    push_bytes_after: number;
    /** Bytes of payload of the compressed pushes. */
    push_bytes_before: number;
    /** Pushes compressed. */
    pushes: number;
    /** Pushes sent uncompressed because compression did not make them shorter. */
    pushes_not_shorter: number;
    /** Bytes they inflated to. */
    received_bytes_after: number;
    /** Compressed bytes from clients. */
    received_bytes_before: number;
  };
  /** Clients whose handshake has finished. */
  connections: number;
  /** Deliveries dropped by reason. */
  dropped: Record<string, number>;
  /** Groups in use. */
  groups: number;
  /** Handshakes by result. */
  handshakes: Record<string, number>;
  /** How late the slowest event loop was for its last tick. */
  loop_lag_seconds: number;
  /** Event loops. */
  loops: number;
  /** Deliveries asked for; matched = written + dropped + queued. */
  matched: number;
  /** Maximum number of open client sockets. */
  max_conns: number;
  /** Messages received from clients. */
  messages_received: number;
  /** This gateway's number in a cluster. */
  node: number;
  /** Panics recovered. */
  panics: number;
  /** Pings sent to silent clients. */
  pings_sent: number;
  /** Pushes accepted. */
  pushes: number;
  /** Pushes answered 503. */
  pushes_refused: number;
  /** Accepted pushes that matched no client. */
  pushes_unmatched: number;
  /** Deliveries that are neither written nor dropped yet. */
  queued: number;
  /** Bytes queued for client sockets. */
  queued_bytes: number;
  /** Open client sockets, whatever their phase. */
  sockets: number;
  started_at: string;
  /** Uids in use. */
  uids: number;
  /** With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet. */
  unreachable?: number[];
  /** System calls that wrote to client sockets. */
  writes: number;
  /** Deliveries written. */
  written: number;
}

export interface NodeList {
  nodes: Node[];
}

export interface Node {
  /** Its control API. */
  address: string;
  /** Since it was last heard. */
  age_seconds: number;
  clients: number;
  /** By how much its wall clock is ahead. */
  clock_difference_seconds: number;
  /** Of the process: another start has another. */
  instance: string;
  /** Shortest time that a message and its answer took. */
  lag_seconds: number;
  /** For how long it still counts the node asked as alive; of that node itself, the shortest. */
  lease_seconds: number;
  node: number;
  /** suspect: a member that was not heard for half a lease; foreign: it belongs to a cluster of its own; version: it speaks another version of the protocol. */
  state: string;
  version: string;
}

export interface EventPage {
  events: Event[];
  /** The after parameter of the next page. */
  last: string | null;
}

/** A CloudEvent 1.0 as JSON; docs/events.md lists the types and what their data holds. */
export interface Event {
  data: Record<string, unknown>;
  datacontenttype: string;
  /** Never given twice; the same in every attempt. */
  id: string;
  /** The process that the client was connected to. */
  instance: string;
  /** Of a client's events, from 1 without holes. */
  sequence?: number;
  /** The node. */
  source: string;
  specversion: string;
  /** The client id; of uid events, the uid. */
  subject?: string;
  time: string;
  /** Such as castgate.client.connected. */
  type: string;
}

export interface DeadEvents {
  events: DeadEvent[];
}

/** An event that was set aside. */
export interface DeadEvent {
  error: string;
  event: Event;
  id: string;
  set_aside_at: string;
  /** Of its last answer, 0 for none. */
  status: number;
  /** The backend, without its query; null if it is none any more. */
  url: string | null;
}

export interface ReplayAnswer {
  /** Events set aside that were not accepted again. */
  failed: number;
  /** Events after the given one, which are told again in their turn. */
  queued: number;
  /** Events set aside that were accepted now. */
  replayed: number;
}

/** RFC 9457. */
export interface Problem {
  /** Stable, for programs. */
  code: string;
  /** For humans; may change. */
  detail: string;
  status: number;
  title: string;
  type: string;
}

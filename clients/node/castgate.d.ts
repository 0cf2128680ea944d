import type {
  BindAnswer, ClientDetails, ClientPage, ClientRow, CountsAnswer, DeadEvents, Event, EventPage, Exclude, GroupPage, GroupRow, KickAnswer,
  MembershipAnswer, NodeList, OnlineAnswer, ProblemCode, PushAnswer, ReloadAnswer, ReplayAnswer, Stats, Targets, UIDPage, UIDRow,
  UnbindAnswer, UngroupAnswer,
} from './types.js';

export * from './types.js';

/** Codes of this package, beside those of the gateway's problems. */
export type OwnCode =
  /** There is no connection, or it broke before the answer was complete. */
  | 'unreachable'
  /** `Options.timeout` or `connectTimeout` is over; `status` is 0. */
  | 'timeout'
  /** The answer is not one of castgate, perhaps of a proxy. */
  | 'malformed'
  /** The caller's signal. */
  | 'aborted'
  | 'invalid_address' | 'invalid_utf8' | 'invalid_value'
  | 'webhook_header' | 'webhook_timestamp' | 'webhook_signature' | 'webhook_secret';

/** Every failure of this package. */
export declare class CastgateError extends Error {
  constructor(code: string, detail: string, more?: { status?: number; sent?: boolean; cause?: unknown });
  /** Stable, for programs. */
  readonly code: ProblemCode | OwnCode;
  /** HTTP status, 0 if there was no answer. */
  readonly status: number;
  /** For humans. */
  readonly detail: string;
  /** The call may have been executed although it failed. */
  readonly sent: boolean;
}

/** What tls.connect takes; these and its other options. */
export interface TLSOptions {
  ca?: string | Uint8Array | (string | Uint8Array)[];
  cert?: string | Uint8Array;
  key?: string | Uint8Array;
  passphrase?: string;
  servername?: string;
  [option: string]: unknown;
}

export interface Options {
  /** A key of the control API; CASTGATE_CONTROL_KEY without it. */
  key?: string;
  /** Milliseconds that a connection may take, 3,000. Not with `fetch`. */
  connectTimeout?: number;
  /** Milliseconds that an attempt may take, or the next row of a listing, 15,000. Not retried. */
  timeout?: number;
  /** How often a call is repeated, 2: if it has certainly not been executed, and otherwise never a push, a kick or a bind that kicks. */
  retries?: number;
  /** Repeats those too. A client may then get a message twice. */
  retryPushes?: boolean;
  /** Most bytes and commands of one request of a batch, 1,000,000 and 10,000. */
  maxBody?: number;
  maxCommands?: number;
  /** For https addresses: `ca`, `cert`, `key`, `servername` and so on, as tls.connect takes them. */
  tls?: TLSOptions;
  /** Makes requests by this instead of node:http, for runtimes without it. */
  fetch?: typeof fetch;
}

export interface CallOptions { signal?: AbortSignal }

/** Exactly one of text, json and data. */
export type Payload = { text: string } | { json: unknown } | { data: Uint8Array | ArrayBuffer };

export type Push = { to: Targets; exclude?: Exclude; wait?: boolean } & Payload;
export interface Bind { client_id: string; uid: string; groups?: string[]; exclusive?: 'kick_old' }
export type Unbind = { client_id: string } | { uids: string[] };
export interface Membership { groups: string[]; client_ids?: string[]; uids?: string[] }
export interface Kick { to: Targets; exclude?: Exclude; code?: number; reason?: string; text?: string }
export interface Filter { uid?: string; group?: string; limit?: number }
export interface PageFilter extends Filter { cursor?: string }
export interface Feed {
  /** Id of an event: those after it are listed. Without it the oldest that is kept comes first. */
  after?: string;
  /** Most events of a page, 100. */
  limit?: number;
  /** Seconds that an empty page waits for an event, up to 60. An attempt may take that much longer than `timeout`. */
  wait?: number;
}
/** All events after one; events that were set aside; all of those. */
export type Replay = { after: string } | { ids: string[] } | { dead: true };
export type Session = Record<string, unknown>;

/** Calls one gateway and keeps its connections. */
export declare class Client {
  /**
   * @param address host:port, unix:/path, or an http or https URL, which may have a
   *   path; without it CASTGATE_CONTROL, or else 127.0.0.1:7273.
   */
  constructor(address?: string, options?: Options);
  /** Makes a client one of a uid's connections, and joins it to groups. */
  bind(bind: Bind, options?: CallOptions): Promise<BindAnswer>;
  unbind(unbind: Unbind, options?: CallOptions): Promise<UnbindAnswer>;
  join(membership: Membership, options?: CallOptions): Promise<MembershipAnswer>;
  leave(membership: Membership, options?: CallOptions): Promise<MembershipAnswer>;
  ungroup(groups: { groups: string[] }, options?: CallOptions): Promise<UngroupAnswer>;
  /** Sends a message. It is not an error if nobody is there. */
  push(push: Push, options?: CallOptions): Promise<PushAnswer>;
  /** The same with the message as the body of the request; a string is a text message. */
  pushRaw(message: string | Uint8Array, push: { to: Targets; exclude?: Exclude; wait?: boolean }, options?: CallOptions): Promise<PushAnswer>;
  /** Closes clients after what is queued for them. */
  kick(kick: Kick, options?: CallOptions): Promise<KickAnswer>;
  online(names: { client_ids?: string[]; uids?: string[] }, options?: CallOptions): Promise<OnlineAnswer>;
  counts(names: { groups?: string[]; uids?: string[] }, options?: CallOptions): Promise<CountsAnswer>;
  client(clientId: string, options?: CallOptions): Promise<ClientDetails>;
  /** The gateway's counters; with cluster the sums of all nodes. */
  stats(options?: CallOptions & { cluster?: boolean }): Promise<Stats>;
  /** Whether the gateway takes clients: false while it stops. */
  ready(options?: CallOptions): Promise<boolean>;
  reload(options?: CallOptions): Promise<ReloadAnswer>;
  /** Replaces a client's session and returns it. */
  putSession(clientId: string, session: Session, options?: CallOptions): Promise<Session>;
  /** Changes it by a JSON merge patch (RFC 7396). */
  patchSession(clientId: string, patch: Session, options?: CallOptions): Promise<Session>;
  /** Lists everything as it arrives. If it throws, the listing is not complete. */
  clients(filter?: Filter, options?: CallOptions): AsyncGenerator<ClientRow, void>;
  uids(filter?: Filter, options?: CallOptions): AsyncGenerator<UIDRow, void>;
  groups(filter?: Filter, options?: CallOptions): AsyncGenerator<GroupRow, void>;
  clientPage(filter?: PageFilter, options?: CallOptions): Promise<ClientPage>;
  uidPage(filter?: PageFilter, options?: CallOptions): Promise<UIDPage>;
  groupPage(filter?: PageFilter, options?: CallOptions): Promise<GroupPage>;
  /** What the node asked knows of the cluster's nodes. Without a cluster there are none. */
  nodes(options?: CallOptions): Promise<NodeList>;
  /** Events, oldest first; `last` is the `after` of the next page. `event_gone`: they are not kept any more. */
  eventPage(feed?: Feed, options?: CallOptions): Promise<EventPage>;
  /** Lists events until a page is empty: with `wait` until none has come for that long. */
  events(feed?: Feed, options?: CallOptions): AsyncGenerator<Event, void>;
  /** Events that a backend does not accept, although it accepts others. */
  deadEvents(options?: CallOptions): Promise<DeadEvents>;
  /** Tells events again. Repeated only if it has certainly not been executed. */
  replay(replay: Replay, options?: CallOptions): Promise<ReplayAnswer>;
  batch(): Batch;
  /** Closes the connections that are kept. */
  close(): void;
}

/** The outcome of one command: its answer or its error, which is not thrown. */
export type Reply = { value: any; error?: undefined } | { value?: undefined; error: CastgateError };

/** Commands that are sent in few requests, in order. Those that fail stop no others. */
export declare class Batch {
  private constructor();
  readonly length: number;
  bind(bind: Bind): this;
  unbind(unbind: Unbind): this;
  join(membership: Membership): this;
  leave(membership: Membership): this;
  ungroup(groups: { groups: string[] }): this;
  push(push: Push): this;
  kick(kick: Kick): this;
  online(names: { client_ids?: string[]; uids?: string[] }): this;
  counts(names: { groups?: string[]; uids?: string[] }): this;
  putSession(clientId: string, session: Session): this;
  patchSession(clientId: string, patch: Session): this;
  /** Sends the commands and empties the batch. A reply for each, in order. */
  send(options?: CallOptions): Promise<Reply[]>;
}

/** Seconds that the clocks of gateway and backend may differ: 300. */
export declare const TOLERANCE: number;

/**
 * Returns the events of a request, or throws a CastgateError.
 *
 * @param body what the gateway sent, byte for byte.
 * @param secrets of --events-secret, with or without whsec_; two while they are rotated.
 */
export declare function verify(
  headers: Headers | Record<string, string | string[] | undefined>, body: string | Uint8Array, secrets: string | string[], options?: { now?: number },
): Event[];

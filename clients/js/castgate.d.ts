/** What a connection is doing. */
export type State =
  /** The WebSocket is being opened. */
  | 'connecting'
  /** It is open, and the backend is asked to bind it. Messages are kept meanwhile. */
  | 'binding'
  /** It is open and bound; messages are delivered. */
  | 'open'
  /** It is gone, and will be opened again after `delay`. */
  | 'waiting'
  /** It is gone and stays so until `open()`: see `code` and `error`. */
  | 'stopped';

export interface Detail {
  /** The id that the gateway gave to the connection, '' or undefined without one. */
  clientId?: string;
  /** Close code of the connection that has ended (RFC 6455 section 7.4). */
  code?: number;
  /** Reason in the close frame, or 'timeout' or 'silence'. */
  reason?: string;
  /** What `bind` or `token` failed with; `status` is the backend's. */
  error?: unknown;
  /** Milliseconds until the next try. */
  delay?: number;
}

/** A message: `text` or `binary`. */
export declare class Message {
  constructor(data: string | ArrayBuffer);
  readonly data: string | ArrayBuffer;
  readonly text?: string;
  readonly binary?: ArrayBuffer;
  /** The text as JSON, undefined if it is not JSON. */
  readonly json: any;
}

export interface Options {
  /**
   * Tells the backend which connection is this page's, so that it can bind it. A
   * string is a URL: it gets `{"client_id": ...}` by POST, with this page's cookies.
   * A function may do it in its own way; it throws if it fails, preferably with the
   * `status` of the answer and with `retryAfter` in seconds.
   *
   * A bind that fails is tried again with growing pauses. 401 and 403 stop the
   * connection, 404 and 410 (the gateway does not know the client any more) open a
   * new one. It begins with the gateway's init message, the first JSON object with a
   * text `client_id`; messages before that are kept. Without `bind` the connection is
   * open with the first message, whatever it is, or after `timeout`.
   */
  bind?: string | ((clientId: string, signal: AbortSignal) => unknown);
  /** Headers of the request if `bind` is a URL, such as a token against CSRF. */
  headers?: Record<string, string>;
  /**
   * The JSON Web Token for the handshake. `renew` is true if the last one has
   * expired (3401), or if the handshake failed, perhaps because of it.
   */
  token?: (renew: boolean, signal: AbortSignal) => string | Promise<string>;
  /** Called for every message, in order. */
  message?: (message: Message) => void;
  /** Called for every change of state. */
  state?: (state: State, detail: Detail) => void;
  /** Lets all tabs of this origin share one connection, where the browser can. */
  share?: boolean;
  /** Shortest pause in milliseconds, 500. */
  min?: number;
  /** Longest pause in milliseconds, 20,000. */
  max?: number;
  /** Milliseconds that connecting, a bind and a token may take, 15,000. */
  timeout?: number;
  /** How many closes with 1008 in a row stop the connection, 3. */
  policy?: number;
  /**
   * Milliseconds without a message after which the connection counts as dead; 0, the
   * default, is never. Only for backends that push something regularly: browsers
   * do not show a page the gateway's pings.
   */
  silence?: number;
  /** Messages kept until the bind has answered, 1,000; beyond, the oldest is delivered early. */
  kept?: number;
}

export interface Connection {
  readonly state: State;
  /** The id of the connection, '' or undefined while there is none. */
  readonly clientId?: string;
  /** Opens a connection that is stopped; one that waits is opened at once. */
  open(): void;
  /** Ends the connection. With `share`, this tab's part in it. */
  close(): void;
}

/**
 * Opens a connection to a gateway and keeps it open.
 *
 * @param url of the gateway (ws: or wss:), or a function that returns it before each
 *   try; it gets `renew` as `token` does.
 */
export declare function connect(url: string | ((renew: boolean) => string | Promise<string>), options?: Options): Connection;

// How things are written.

// Characters that show nothing, or change how others show: controls, marks of
// direction, invisible ones.
const unseen = /[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

/** shown is a name as text in which everything can be seen. */
export function shown(name) {
  return String(name).replace(unseen, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/** age is a time in milliseconds in two units at most: 3 h 12 min. */
export function age(ms) {
  let s = Math.max(Math.floor(ms / 1000), 0);
  if (s === 0) return `${Math.max(Math.round(ms), 0)} ms`;
  const parts = [];
  for (const [n, unit] of units) {
    if (s >= n && parts.length < 2) {
      parts.push(`${Math.floor(s / n)} ${unit}`);
      s %= n;
    } else if (parts.length) break;
  }
  return parts.join(" ");
}

/** count is a number with its thousands apart. */
export const count = (n) => Math.round(n).toLocaleString("en-US");

/** bytes are in KiB, MiB or GiB. */
export function bytes(n) {
  for (const unit of ["B", "KiB", "MiB"]) {
    if (n < 1024) return `${n < 10 && unit !== "B" ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1024;
  }
  return `${n.toFixed(1)} GiB`;
}

/** short is a number for an axis: 1200 is 1.2k. */
export function short(n) {
  const a = Math.abs(n);
  if (a >= 1e9) return `${+(n / 1e9).toFixed(1)}G`;
  if (a >= 1e6) return `${+(n / 1e6).toFixed(1)}M`;
  if (a >= 1e3) return `${+(n / 1e3).toFixed(1)}k`;
  return `${+n.toFixed(a < 1 ? 3 : 1)}`;
}

/** clock is a time of day. */
export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB", { hour12: false }) + "." + String(Math.floor(ms % 1000)).padStart(3, "0");

/** why says in words what a reason of an end means. */
export const why = (reason) => reasons[reason] ?? "";

const reasons = {
  peer_closed: "the client sent a close frame",
  peer_gone: "the connection broke without a close frame",
  kicked: "a kick",
  replaced: "another client was bound to its uid",
  slow: "it read too slowly: its queue was full",
  protocol: "it broke the WebSocket protocol",
  invalid_utf8: "it sent text that is not UTF-8",
  too_big: "its message was too large",
  policy: "messages are not accepted",
  unbound: "it was not bound in time",
  ping_timeout: "it did not answer a ping",
  heartbeat: "it sent nothing for too long",
  shutdown: "the gateway stopped",
  token_expired: "its token has expired",
  message_rate: "it sent too many messages",
  byte_rate: "it sent too many bytes",
  internal: "a defect of the gateway",
  tls: "it broke the rules of TLS",
  no_worker: "there was no worker",
  events_full: "the queue of events was full",
  messages_full: "messages in pieces took all the memory they may",
};

// Calls as values: what a verb sends, and whether it may be sent twice.
import { CastgateError } from './error.js';

/** The verbs that are commands, by themselves or in a batch. */
export const verbs = ['bind', 'unbind', 'join', 'leave', 'ungroup', 'push', 'kick', 'online', 'counts'];

/** The fields of a command as the API has them: data becomes base64, wait its word. */
export function fields({ data, wait, ...rest }) {
  if (data !== undefined) rest.base64 = Buffer.from(data.buffer ?? data, data.byteOffset, data.byteLength).toString('base64');
  if (wait) rest.wait = 'written';
  return rest;
}

export const isSafe = (op, body) => op !== 'push' && op !== 'kick' && body.exclusive === undefined;

export function encode(value) {
  try {
    return Buffer.from(JSON.stringify(value));
  } catch (cause) {
    throw new CastgateError('invalid_value', `cannot be encoded as JSON: ${cause.message}`, { cause });
  }
}

const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

export function utf8(text) {
  if (loneSurrogate.test(text)) throw new CastgateError('invalid_utf8', 'a string is not UTF-16, so it cannot be UTF-8');
  return Buffer.from(text);
}

/** A query string. Lists repeat their name; what is undefined is left out. */
export function query(parameters) {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== null) q.append(name, one);
  }
  const text = q.toString();
  return text ? `?${text}` : '';
}

export function rawCall(message, { to = {}, exclude = {}, wait }) {
  const text = typeof message === 'string';
  const path = '/v1/push/raw' + query({
    client_id: to.client_ids, uid: to.uids, group: to.groups, all: to.all ? '1' : undefined,
    exclude_client_id: exclude.client_ids, exclude_uid: exclude.uids, binary: text ? undefined : '1', wait: wait ? 'written' : undefined,
  });
  return { method: 'POST', path, body: text ? utf8(message) : message, type: 'application/octet-stream' };
}

/** The requests that a batch takes, each with its number of commands. */
export function* batches(commands, { maxCommands, maxBody }) {
  for (let start = 0; start < commands.length;) {
    const lines = [];
    let size = 0, safe = true, end = start;
    for (; end < commands.length && lines.length < maxCommands; end++) {
      const { op, ...body } = commands[end];
      const line = Buffer.concat([encode({ op, ...body }), Buffer.from('\n')]);
      if (lines.length > 0 && size + line.length > maxBody) break;
      lines.push(line);
      size += line.length;
      safe &&= isSafe(op, body);
    }
    yield { count: end - start, call: { method: 'POST', path: '/v1/batch', body: Buffer.concat(lines), type: 'application/x-ndjson', lines: true, safe } };
    start = end;
  }
}

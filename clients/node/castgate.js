// The client of castgate's control API for Node: see castgate.d.ts and README.md.
import { batches, encode, fields, isSafe, query, rawCall, utf8, verbs } from './command.js';
import { CastgateError, malformed } from './error.js';
import { transport } from './transport.js';

export { CastgateError };
export { verify, TOLERANCE } from './events.js';

const defaults = { connectTimeout: 3000, timeout: 15_000, retries: 2, retryPushes: false, maxBody: 1_000_000, maxCommands: 10_000 };
const firstPause = 100, longestPause = 2000;
const maxLine = 64 << 20;

export class Client {
  #o; #address; #transport; #key;

  constructor(address, options = {}) {
    const env = globalThis.process?.env ?? {};
    this.#address = address || env.CASTGATE_CONTROL || '127.0.0.1:7273';
    this.#o = { ...defaults, ...options };
    this.#key = options.key || env.CASTGATE_CONTROL_KEY || '';
    this.#transport = transport(this.#address, this.#o);
  }

  pushRaw(message, options, { signal } = {}) { return this.#value({ ...rawCall(message, options), signal }); }
  putSession(clientId, session, { signal } = {}) { return this.#session('PUT', clientId, session, signal); }
  patchSession(clientId, patch, { signal } = {}) { return this.#session('PATCH', clientId, patch, signal); }
  client(clientId, { signal } = {}) { return this.#value({ method: 'GET', path: clientPath(clientId), safe: true, signal }); }
  stats({ cluster, signal } = {}) { return this.#value({ method: 'GET', path: cluster ? '/v1/stats?cluster=1' : '/v1/stats', safe: true, signal }); }
  reload({ signal } = {}) { return this.#value({ method: 'POST', path: '/v1/reload', safe: true, signal }); }

  async ready({ signal } = {}) {
    try {
      await text(await this.#attempt({ method: 'GET', path: '/readyz', signal }));
      return true;
    } catch (error) {
      if (error.code === 'not_ready') return false;
      throw error;
    }
  }

  clients(filter, options) { return this.#list('clients', filter, options); }
  uids(filter, options) { return this.#list('uids', filter, options); }
  groups(filter, options) { return this.#list('groups', filter, options); }
  clientPage(filter, options) { return this.#page('clients', filter, options); }
  uidPage(filter, options) { return this.#page('uids', filter, options); }
  groupPage(filter, options) { return this.#page('groups', filter, options); }

  nodes({ signal } = {}) { return this.#value({ method: 'GET', path: '/v1/nodes', safe: true, signal }); }

  eventPage({ after, limit, wait } = {}, { signal } = {}) {
    return this.#value({ method: 'GET', path: `/v1/events${query({ after, limit, wait })}`, safe: true, longer: wait * 1000 || 0, signal });
  }

  async* events(feed = {}, options) {
    for (let { after } = feed; ;) {
      const page = await this.eventPage({ ...feed, after }, options);
      yield* page.events;
      if (page.events.length === 0) return;
      after = page.last;
    }
  }

  deadEvents({ signal } = {}) { return this.#value({ method: 'GET', path: '/v1/events/dead', safe: true, signal }); }
  replay({ after, ids, dead }, { signal } = {}) { return this.#value({ method: 'POST', path: `/v1/events/replay${query({ after, id: ids, dead: dead ? 1 : undefined })}`, signal }); }

  batch() { return new Batch((commands, options) => this.#send(commands, options)); }

  /** Closes the connections that are kept. */
  close() { this.#transport.close(); }

  command(op, body, { signal } = {}) {
    const sent = fields(body);
    return this.#value({ method: 'POST', path: `/v1/${op}`, body: encode(sent), type: 'application/json', safe: isSafe(op, sent), signal });
  }

  #session(method, clientId, value, signal) {
    return this.#value({ method, path: `${clientPath(clientId)}/session`, body: encode(value), type: 'application/json', safe: true, signal });
  }

  #page(what, filter = {}, { signal } = {}) { return this.#value({ method: 'GET', path: `/v1/${what}${query(filter)}`, safe: true, signal }); }

  #list(what, filter = {}, { signal } = {}) { return this.#rows({ method: 'GET', path: `/v1/${what}${query(filter)}`, lines: true, safe: true, signal }); }

  async #value(call) { return decode(await text(await this.#open(call)), 200); }

  async* #rows(call) {
    const { body } = await this.#open(call);
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      const [first, ...more] = decoder.decode(chunk, { stream: true }).split('\n');
      rest += first; // split first: a long line comes in many pieces
      for (const piece of more) {
        yield decode(rest, 200);
        rest = piece;
      }
      if (rest.length > maxLine) throw malformed(200);
    }
    if (rest) yield decode(rest, 200);
  }

  async #send(commands, { signal } = {}) {
    const replies = [];
    for (const { call, count } of batches(commands, this.#o)) {
      let got = 0;
      for await (const { status, body, problem } of this.#rows({ ...call, signal })) {
        if (status !== 200 && !problem?.code) throw malformed(200);
        replies.push(status === 200 ? { value: body } : { error: new CastgateError(problem.code, problem.detail, { status }) });
        got++;
      }
      if (got !== count) throw malformed(200);
    }
    return replies;
  }

  // Makes a call, several times if necessary, until its answer with status 200 has begun.
  async #open(call) {
    for (let attempt = 0, limit = firstPause; ; attempt++) {
      try {
        return await this.#attempt(call);
      } catch (error) {
        const after = error.retryAfter ?? NaN;
        if (attempt >= this.#o.retries || after > longestPause || !this.#again(call, error)) throw error;
        await new Promise((done) => { setTimeout(done, after >= 0 ? after : Math.random() * limit); });
        limit = Math.min(2 * limit, longestPause);
      }
    }
  }

  #again({ safe, signal }, { code, status, sent }) {
    if (signal?.aborted || ['timeout', 'deadline', 'aborted'].includes(code)) return false;
    if (status === 429 || status === 503 && code !== 'malformed') return true; // turned away
    if (code === 'unreachable' || code === 'malformed' && status >= 500) return !sent || safe || this.#o.retryPushes;
    return false;
  }

  async #attempt({ method, path, body, type, lines, longer = 0, signal }) {
    const watch = this.#watch(signal, this.#o.timeout + longer, lines);
    const headers = {};
    if (this.#key) headers.Authorization = `Bearer ${this.#key}`;
    if (lines) headers.Accept = 'application/x-ndjson';
    if (type) headers['Content-Type'] = type;
    let answer;
    try {
      answer = await this.#transport.request({ method, path, headers, body, signal: watch.signal });
    } catch (error) {
      throw watch.end(error);
    }
    answer.body = watch.over(answer.body);
    if (answer.status === 200) {
      if (!lines) answer.body = [Buffer.from(await text(answer))]; // one that breaks off is an attempt that failed
      return answer;
    }
    const seconds = answer.header('retry-after');
    const said = await text(answer);
    let problem;
    try {
      problem = JSON.parse(said);
    } catch { /* not castgate's */ }
    const error = problem?.code ? new CastgateError(problem.code, problem.detail, { status: answer.status }) : malformed(answer.status);
    if (/^\d+$/.test(seconds ?? '')) error.retryAfter = seconds * 1000;
    throw error;
  }

  // Limits an attempt; of an answer in lines each piece.
  #watch(signal, timeout, lines) {
    const controller = new AbortController();
    const late = new CastgateError('timeout', `the control API at ${this.#address} has not answered within ${timeout} ms`, { sent: true });
    let timer;
    const extend = () => {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(late), timeout);
    };
    const aborted = () => controller.abort(signal.reason);
    if (signal?.aborted) aborted();
    signal?.addEventListener('abort', aborted, { once: true });
    const stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
    };
    const end = (error) => {
      stop();
      if (!controller.signal.aborted) return error;
      if (controller.signal.reason === late) return late;
      return new CastgateError('aborted', 'the caller has given up', { sent: true, cause: signal.reason });
    };
    extend();
    return {
      signal: controller.signal, end,
      async* over(body) {
        try {
          for await (const chunk of body) {
            if (lines) extend();
            yield chunk;
            if (lines) extend();
          }
        } catch (error) {
          throw end(error);
        } finally {
          stop();
        }
      },
    };
  }
}

/** The commands of a batch. */
export class Batch {
  #commands = [];
  #send;

  constructor(send) { this.#send = send; }

  get length() { return this.#commands.length; }

  command(op, body) {
    this.#commands.push({ op, ...fields(body) });
    return this;
  }

  putSession(clientId, session) { return this.command('put_session', { client_id: clientId, session }); }
  patchSession(clientId, patch) { return this.command('patch_session', { client_id: clientId, session: patch }); }

  send(options) { return this.#send(this.#commands.splice(0), options); }
}

for (const verb of verbs) {
  for (const { prototype } of [Client, Batch]) {
    Object.defineProperty(prototype, verb, { value(body, options) { return this.command(verb, body, options); }, writable: true, configurable: true });
  }
}

const clientPath = (id) => `/v1/clients/${encodeURIComponent(utf8(id).toString())}`;

async function text({ body }) {
  const chunks = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    if ((size += chunk.length) > maxLine) throw malformed(200);
  }
  return Buffer.concat(chunks).toString();
}

// An answer, or a row: always an object.
function decode(text, status) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed(status, cause);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw malformed(status);
  return value;
}

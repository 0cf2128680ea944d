// See castgate.d.ts and README.md
const defaults = { min: 500, max: 2e4, timeout: 15e3, policy: 3, silence: 0, kept: 1000 };

export class Message {
  constructor(data) { this[typeof data === 'string' ? 'text' : 'binary'] = this.data = data; }
  get json() { try { return JSON.parse(this.data); } catch { return; } }
}

export function connect(url, options = {}) {
  const o = { ...defaults, ...options };
  return o.share && globalThis.SharedWorker ? share(url, o) : new Connection(url, o);
}

async function call(f, argument, o) {
  const signal = AbortSignal.timeout(o.timeout);
  return Promise.race([
    typeof f === 'string' ? post(f, argument, o, signal) : f(argument, signal),
    new Promise((_, fail) => signal.onabort = () => fail(signal.reason)),
  ]);
}

async function post(url, client_id, o, signal) {
  const { ok, status, headers } = await fetch(url, {
    method: 'POST', redirect: 'error', signal, body: JSON.stringify({ client_id }), headers: { 'Content-Type': 'application/json', ...o.headers },
  });
  if (!ok) throw Object.assign(Error(`status ${status}`), { status, retryAfter: +headers.get('Retry-After') });
}

class Connection {
  #o; #url; #run; #end; #wake; #tries = 0; #refused = 0; #offline; #tick;
  state = 'stopped';
  clientId = '';

  constructor(url, o) {
    this.#url = url;
    this.#o = o;
    const { document, addEventListener: on } = globalThis;
    on?.('offline', () => this.#offline = true);
    on?.('online', () => {
      if (this.#offline) this.#end?.({ now: true });
      this.#offline = false;
      this.wake();
    });
    document?.addEventListener('visibilitychange', () => document.hidden || this.wake());
    this.open();
  }

  open() {
    if (!this.#run) this.#loop(this.#run = {});
    this.wake();
  }

  close() { this.#stop({ code: 1000 }); }

  wake() { this.#look(); this.#wake?.(); }

  // Late timers: it was asleep.
  #look(heard) {
    const now = Date.now();
    if (now - this.#tick > 9e4) this.#end?.({ now: true });
    else if (this.#o.silence && now - heard > this.#o.silence) this.#end({ reason: 'silence' });
    this.#tick = now;
  }

  #do(f, ...given) { try { f?.(...given); } catch (error) { console.error(error); } }

  #show(state, detail) {
    this.#do(this.#o.state, this.state = state, { clientId: this.clientId, ...detail });
  }

  #stop(detail) {
    if (!this.#run) return;
    this.#run = null;
    this.#end?.();
    this.#wake?.();
    this.#show('stopped', detail);
  }

  #sleep(delay) { return new Promise((done) => setTimeout(this.#wake = done, delay)); }

  // One loop: never two connections.
  async #loop(run) {
    for (let end = {}; ;) {
      end = await this.#session(end.code === 3401 || end.opened === 0);
      if (run !== this.#run) return;
      const delay = this.#delay(end);
      if (delay < 0) return this.#stop(end);
      this.#show('waiting', { ...end, delay });
      await this.#sleep(delay);
      if (run !== this.#run) return;
    }
  }

  #jitter(limit) { return this.#o.min + Math.random() * (limit - this.#o.min); }

  #backoff(error) {
    return Math.max(this.#jitter(Math.min(this.#o.max, this.#o.min * 2 ** ++this.#tries)), 1000 * error?.retryAfter || 0);
  }

  #delay({ code, now, lasted, error }) {
    if (lasted > 5e3) this.#tries = 0;
    if (lasted > 6e4) this.#refused = 0;
    if (code === 1000 || code >= 3000 && code !== 3401 || code === 1008 && ++this.#refused >= this.#o.policy || [401, 403].includes(error?.status)) return -1;
    if ([1001, 1012, 1013].includes(code)) return this.#jitter(this.#o.max);
    return now || code === 3401 && lasted > 5e3 ? 0 : this.#backoff(error);
  }

  #session(renew) {
    const o = this.#o;
    let socket, heard, kept = [], opened = 0;
    this.#tick = Date.now();
    return new Promise((done) => {
      this.#show('connecting');
      const limit = setTimeout(() => o.bind || !opened ? end({ reason: 'timeout' }) : bind(), o.timeout);
      const look = setInterval(() => this.#look(heard), 1e4);
      const end = this.#end = (why) => {
        this.#end = null;
        clearTimeout(limit);
        clearInterval(look);
        if (socket) socket.onmessage = socket.onclose = null;
        socket?.close();
        this.clientId = '';
        done({ ...why, opened, lasted: opened && Date.now() - opened });
      };
      const current = () => this.#end === end;
      const deliver = (data) => this.#do(o.message, new Message(data));
      const ready = () => {
        this.#show('open');
        kept.forEach(deliver);
        kept = null;
      };
      const bind = async () => {
        clearTimeout(limit);
        if (!o.bind) return ready();
        while (current()) {
          this.#show('binding');
          try {
            await call(o.bind, this.clientId, o);
            return current() && ready();
          } catch (error) {
            if (!current()) return;
            if ([401, 403, 404, 410].includes(error?.status)) return end({ error });
            const delay = this.#backoff(error);
            this.#show('binding', { error, delay });
            await this.#sleep(delay);
          }
        }
      };
      const begin = ([url, token]) => {
        if (!current()) return;
        socket = new WebSocket(url, token ? ['castgate', `bearer.${token}`] : []);
        socket.binaryType = 'arraybuffer';
        socket.onclose = ({ code, reason }) => end({ code, reason });
        socket.onopen = () => opened = heard = Date.now();
        socket.onmessage = ({ data }) => {
          heard = Date.now();
          const id = this.state === 'connecting' && new Message(data).json?.client_id;
          if (id?.big) bind(this.clientId = id);
          else if (!kept) deliver(data);
          else {
            if (kept.push(data) > o.kept) deliver(kept.shift());
            o.bind || bind();
          }
        };
      };
      Promise.all([typeof this.#url === 'function' ? this.#url(renew) : this.#url, o.token && call(o.token, renew, o)])
        .then(begin).catch((error) => current() && end({ error }));
    });
  }
}

function share(url, o) {
  const { port } = new SharedWorker(import.meta.url, { type: 'module', name: url });
  const say = (...what) => port.postMessage(what);
  const hello = () => say('hello', url, JSON.stringify({ ...o, bind: o.bind && 1, token: o.token && 1 }));
  const close = () => {
    say('bye');
    told.state('stopped', { code: 1000 });
  };
  const tab = { state: 'connecting', clientId: '', open: hello, close };
  const told = {
    message: (data) => o.message?.(new Message(data)),
    state(state, detail) {
      tab.state = state;
      tab.clientId = detail.clientId;
      o.state?.(state, detail);
    },
    ask: (number, what, argument) => call(o[what], argument, o).then(
      (value) => say('answer', number, value),
      ({ message, status, retryAfter }) => say('answer', number, null, { message, status, retryAfter }),
    ),
  };
  port.onmessage = ({ data: [kind, ...given] }) => told[kind](...given);
  hello();
  addEventListener('pagehide', close);
  addEventListener('pageshow', ({ persisted }) => persisted && hello());
  document.addEventListener('visibilitychange', () => document.hidden || tab.state === 'stopped' || hello());
  return tab;
}

if (globalThis.SharedWorkerGlobalScope) {
  let connection, last, asked = 0, tabs = [], waiting = {};
  const all = (what) => tabs.forEach((port) => port.postMessage(what));
  const ask = (what) => (argument, signal) => new Promise((done, fail) => {
    const number = ++asked;
    waiting[number] = (value, error) => error ? fail(error) : done(value);
    signal.addEventListener('abort', () => {
      if (waiting[number]) tabs.unshift(...tabs.splice(-1));
      delete waiting[number];
    });
    tabs.at(-1)?.postMessage(['ask', number, what, argument]);
  });
  onconnect = ({ ports: [port] }) => {
    const told = {
      hello(url, plain) {
        const o = JSON.parse(plain);
        if (!tabs.includes(port) && tabs.push(port) && last) port.postMessage(last);
        connection ||= connect(url, {
          ...o, bind: o.bind && ask('bind'), token: o.token && ask('token'),
          message: ({ data }) => all(['message', data]),
          state: (...now) => all(last = ['state', ...now]),
        });
        connection.open();
      },
      bye() {
        tabs = tabs.filter((tab) => tab !== port);
        tabs.length || connection.close();
      },
      answer(number, value, error) {
        waiting[number]?.(value, error);
        delete waiting[number];
      },
    };
    port.onmessage = ({ data: [kind, ...given] }) => told[kind](...given);
  };
}

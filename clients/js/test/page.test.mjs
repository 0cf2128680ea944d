// What a page does, second by second, with a clock and a WebSocket of the test's:
// node --test clients/js/test
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, Message } from '../castgate.js';

const real = { setTimeout, random: Math.random };

// world replaces clock, chance and network. Everything that is due happens in
// advance(); between two steps promises settle.
function world(t, { random = () => 0.5 } = {}) {
  const w = { now: 1_000_000, timers: new Map(), sockets: [], listeners: {}, states: [], messages: [] };
  let next = 1;
  const saved = { setTimeout, clearTimeout, setInterval, clearInterval, WebSocket: globalThis.WebSocket, now: Date.now, fetch, addEventListener: globalThis.addEventListener, document: globalThis.document };
  const listen = (event, f) => (w.listeners[event] ??= []).push(f);
  Object.assign(globalThis, {
    setTimeout: (f, ms) => (w.timers.set(next, { at: w.now + (ms || 0), f }), next++),
    setInterval: (f, ms) => (w.timers.set(next, { at: w.now + ms, f, every: ms }), next++),
    clearTimeout: (n) => w.timers.delete(n), clearInterval: (n) => w.timers.delete(n),
    addEventListener: listen, document: { hidden: false, addEventListener: listen },
    WebSocket: class {
      constructor(url, protocols) { Object.assign(this, { url, protocols, closed: false }); w.sockets.push(this); }
      close() { this.closed = true; }
      accept(id = `c-${w.sockets.length}`) { this.onopen(); this.say(JSON.stringify({ type: 'init', client_id: id })); }
      say(data) { this.onmessage?.({ data }); }
      end(code, reason = '') { this.onclose?.({ code, reason }); }
    },
  });
  Date.now = () => w.now;
  Math.random = random;
  t.after(() => {
    w.page?.close();
    Object.assign(globalThis, saved);
    Date.now = saved.now;
    Math.random = real.random;
  });
  w.settle = async () => { for (let i = 0; i < 20; i++) await null; };
  w.advance = async (ms, { held = false } = {}) => {
    const end = w.now + ms;
    if (held) w.now = end; // the timers of a machine that was asleep fire once, late
    await w.settle();
    for (;;) {
      const due = [...w.timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      const [number, timer] = due;
      w.now = Math.max(w.now, timer.at);
      if (timer.every) timer.at = w.now + timer.every;
      else w.timers.delete(number);
      timer.f();
      await w.settle();
    }
    w.now = end;
  };
  w.fire = async (event) => { w.listeners[event].forEach((f) => f()); await w.settle(); };
  w.open = async (options = {}) => {
    w.page = connect('ws://gateway/', { state: (state, detail) => w.states.push({ state, ...detail }), message: (m) => w.messages.push(m), ...options });
    await w.settle();
    return w.page;
  };
  w.last = () => w.states.at(-1);
  w.socket = () => w.sockets.at(-1);
  return w;
}

test('what is no init message is a message, and only an id is bound', async (t) => {
  for (const first of ['hello', '{"news":1}', '{"client_id":7}', 'null', '[]', '{"client_id":["x"]}', new Uint8Array([1]).buffer]) {
    const w = world(t);
    await w.open();
    w.socket().onopen();
    w.socket().say(first);
    w.socket().say('second');
    assert.deepEqual([w.messages.map((m) => m.data), w.page.state, w.page.clientId], [[first, 'second'], 'open', '']);
    w.page.close();

    // With a bind, the connection waits for its id, and keeps what comes before it.
    const bound = [];
    await w.open({ bind: (id) => bound.push(id), kept: 2 });
    w.messages = [];
    w.socket().onopen();
    w.socket().say(first);
    w.socket().say('second');
    await w.settle();
    assert.deepEqual([w.messages, w.page.state, bound], [[], 'connecting', []]);
    w.socket().accept('c-9');
    await w.settle();
    assert.deepEqual([w.messages.map((m) => m.data), w.page.state, bound], [[first, 'second'], 'open', ['c-9']]);
    w.page.close();
    assert.equal(w.timers.size, 0);
  }
});

test('without init message and bind, a silent connection stays; with a bind it has no id', async (t) => {
  const w = world(t);
  await w.open({ timeout: 4000 });
  w.socket().onopen();
  await w.advance(3999);
  assert.equal(w.page.state, 'connecting');
  await w.advance(60_000);
  assert.deepEqual([w.page.state, w.sockets.length, w.socket().closed], ['open', 1, false]);
  w.socket().say('{"client_id":"of the application"}');
  assert.deepEqual([w.messages.length, w.page.clientId], [1, '']);
  w.page.close();
  await w.open({ timeout: 4000, bind: () => assert.fail('nothing to bind') });
  w.socket().onopen();
  await w.advance(4000);
  assert.deepEqual([w.last().state, w.last().reason], ['waiting', 'timeout']);
});

test('opens, binds, delivers', async (t) => {
  const w = world(t);
  const bound = [];
  await w.open({ bind: (id) => bound.push(id) });
  assert.deepEqual(w.socket().protocols, []);
  assert.equal(w.page.state, 'connecting');
  w.socket().accept('c-7');
  await w.settle();
  assert.deepEqual([bound, w.page.state, w.page.clientId], [['c-7'], 'open', 'c-7']);
  w.socket().say('plain');
  w.socket().say('{"a":1}');
  w.socket().say(new Uint8Array([1, 2]).buffer);
  assert.deepEqual(w.messages.map((m) => [m.text, m.json, m.binary?.byteLength]), [['plain', undefined, undefined], ['{"a":1}', { a: 1 }, undefined], [undefined, undefined, 2]]);
  assert.equal(new Message('null').json, null);
  w.page.close();
  assert.deepEqual([w.page.state, w.socket().closed, w.sockets.length], ['stopped', true, 1]);
  await w.advance(60_000);
  assert.equal(w.sockets.length, 1);
});

test('messages before the bind has answered are kept, in order, and a limit is kept too', async (t) => {
  const w = world(t);
  let answer;
  await w.open({ bind: () => new Promise((done) => { answer = done; }), kept: 3 });
  w.socket().accept();
  await w.settle();
  for (const n of [1, 2, 3]) w.socket().say(`${n}`);
  assert.deepEqual([w.page.state, w.messages.length], ['binding', 0]);
  w.socket().say('4'); // the fourth sets the first free: nothing is lost, nothing overtakes
  assert.deepEqual(w.messages.map((m) => m.text), ['1']);
  answer();
  await w.settle();
  w.socket().say('5');
  assert.deepEqual(w.messages.map((m) => m.text), ['1', '2', '3', '4', '5']);
});

test('handlers that throw do no harm', async (t) => {
  const w = world(t);
  t.mock.method(console, 'error', () => {});
  await w.open({ message: () => { throw Error('of the page'); }, state: () => { throw Error('of the page'); } });
  w.socket().accept();
  w.socket().say('x');
  w.socket().end(1006);
  await w.advance(1000);
  assert.equal(w.sockets.length, 2);
});

test('pauses are random between 0.5 s and a limit that doubles up to 20 s', async (t) => {
  for (const [chance, want] of [[0, Array(8).fill(500)], [0.999999, [1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000]]]) {
    const w = world(t, { random: () => chance });
    await w.open();
    const delays = [];
    for (let i = 0; i < 8; i++) {
      w.socket().end(1006);
      await w.settle();
      assert.equal(w.last().state, 'waiting');
      delays.push(Math.round(w.last().delay));
      await w.advance(w.last().delay);
    }
    assert.deepEqual(delays, want);
    assert.equal(w.sockets.length, 9);
    w.page.close();
  }
});

test('close codes', async (t) => {
  const stop = 'stopped', wait = 'waiting';
  for (const [code, state, delay] of [[1000, stop], [1001, wait, 10_250], [1002, wait, 750], [1006, wait, 750], [1008, wait, 750], [1009, wait, 750], [1011, wait, 750], [1012, wait, 10_250], [1013, wait, 10_250], [3000, stop], [3401, wait, 750], [4001, stop], [4999, stop]]) {
    const w = world(t);
    await w.open();
    w.socket().accept();
    w.socket().end(code, 'because');
    await w.settle();
    const { clientId, ...seen } = w.last();
    assert.deepEqual([seen.state, seen.code, seen.reason, seen.delay], [state, code, 'because', delay], `code ${code}`);
    w.page.close();
  }
});

test('1008 three times in a row stops, unless a connection has lasted in between', async (t) => {
  const w = world(t);
  await w.open();
  const refuse = async (lasted) => {
    w.socket().accept();
    await w.advance(lasted);
    w.socket().end(1008, 'slow consumer');
    await w.advance(5000);
  };
  await refuse(0);
  await refuse(0);
  await refuse(61_000);
  await refuse(0);
  assert.equal(w.page.state, 'connecting');
  await refuse(0);
  assert.deepEqual([w.page.state, w.last().code], ['stopped', 1008]);
  w.page.open();
  await w.settle();
  assert.equal(w.page.state, 'connecting');
});

test('an expired token is renewed at once, and then with pauses', async (t) => {
  const w = world(t);
  const asked = [];
  await w.open({ token: (renew) => { asked.push(renew); return `t${asked.length}`; } });
  assert.deepEqual(w.socket().protocols, ['castgate', 'bearer.t1']);
  w.socket().accept();
  await w.advance(6000);
  w.socket().end(3401);
  await w.advance(1);
  assert.deepEqual([asked, w.socket().protocols[1]], [[false, true], 'bearer.t2']);
  w.socket().accept();
  w.socket().end(3401); // again at once: something is wrong with the tokens
  await w.settle();
  assert.equal(w.last().delay, 750);
  await w.advance(2000);
  w.socket().end(1006); // the handshake failed, perhaps for the token
  await w.advance(3000);
  assert.deepEqual(asked, [false, true, true, true]);
});

test('a token that cannot be had', async (t) => {
  const w = world(t);
  let status = 500;
  await w.open({ token: () => { throw Object.assign(Error('no'), { status }); } });
  assert.deepEqual([w.last().state, w.last().error.message], ['waiting', 'no']);
  status = 401;
  await w.advance(1000);
  assert.deepEqual([w.last().state, w.last().error.status, w.sockets.length], ['stopped', 401, 0]);
});

test('a bind that fails is tried again, as late as Retry-After says', async (t) => {
  const w = world(t);
  const errors = [Error('network'), { status: 500 }, { status: 503, retryAfter: 9 }, undefined];
  let tried = 0;
  await w.open({ bind: () => { tried++; if (errors.length) throw errors.shift(); } });
  w.socket().accept();
  await w.settle();
  w.socket().say('kept');
  const delays = [];
  while (w.page.state === 'binding') {
    delays.push(w.last().delay);
    await w.advance(w.last().delay);
  }
  assert.deepEqual([tried, delays, w.page.state], [5, [750, 1250, 9000, 4250], 'open']);
  assert.deepEqual(w.messages.map((m) => m.text), ['kept']);
  assert.equal(w.sockets.length, 1);
});

test('a bind that is refused stops, one of a client that is gone opens a new connection', async (t) => {
  for (const [status, state] of [[401, 'stopped'], [403, 'stopped'], [404, 'waiting'], [410, 'waiting']]) {
    const w = world(t);
    await w.open({ bind: () => { throw { status }; } });
    w.socket().accept();
    await w.settle();
    assert.deepEqual([w.page.state, w.last().error.status, w.socket().closed], [state, status, true]);
    w.page.close();
  }
});

test('a connection that ends while the bind is under way is not bound later', async (t) => {
  const w = world(t);
  const answers = [];
  await w.open({ bind: () => new Promise((done) => answers.push(done)) });
  w.socket().accept('c-1');
  await w.settle();
  w.socket().end(1006);
  await w.advance(1000);
  answers[0]();
  await w.settle();
  assert.equal(w.page.state, 'connecting');
  w.socket().accept('c-2');
  await w.settle();
  assert.equal(w.page.state, 'binding');
  answers[1]();
  await w.settle();
  assert.deepEqual([w.page.state, w.page.clientId], ['open', 'c-2']);
});

test('a handshake that takes too long is given up', async (t) => {
  const w = world(t);
  await w.open();
  await w.advance(15_000);
  assert.deepEqual([w.last().state, w.last().reason, w.socket().closed], ['waiting', 'timeout', true]);
  w.sockets[0].onopen?.(); // too late
  await w.advance(1000);
  assert.equal(w.sockets.length, 2);
});

test('comes back at once when the network is there, or the page is seen, and never twice', async (t) => {
  for (const event of ['online', 'visibilitychange']) {
    const w = world(t);
    await w.open();
    w.socket().accept();
    w.socket().end(1001);
    await w.settle();
    assert.equal(w.page.state, 'waiting');
    document.hidden = true;
    await w.fire('visibilitychange');
    assert.equal(w.sockets.length, 1);
    document.hidden = false;
    await Promise.all([w.fire(event), w.fire(event), w.fire(event)]);
    assert.deepEqual([w.sockets.length, w.page.state], [2, 'connecting']);
    await w.advance(14_000); // the pause that was cut short opens nothing later
    assert.equal(w.sockets.length, 2);
    w.page.close();
  }
});

test('another network makes another connection', async (t) => {
  const w = world(t);
  await w.open();
  w.socket().accept();
  await w.fire('online');
  assert.equal(w.sockets.length, 1, 'it was never offline');
  await w.fire('offline');
  await w.fire('online');
  await w.advance(1);
  assert.deepEqual([w.sockets.length, w.sockets[0].closed], [2, true]);
});

test('a machine that was asleep makes a new connection, one with slow timers does not', async (t) => {
  const w = world(t);
  await w.open();
  w.socket().accept();
  for (let i = 0; i < 5; i++) await w.advance(60_000, { held: true }); // as browsers do to hidden pages
  assert.equal(w.sockets.length, 1);
  await w.advance(8 * 3600_000, { held: true });
  await w.advance(1);
  assert.deepEqual([w.sockets.length, w.sockets[0].closed], [2, true]);
});

test('silence', async (t) => {
  const w = world(t);
  await w.open({ silence: 30_000 });
  w.socket().accept();
  for (let i = 0; i < 10; i++) {
    await w.advance(20_000);
    w.socket().say('tick');
  }
  assert.equal(w.sockets.length, 1);
  await w.advance(41_000);
  assert.deepEqual([w.states.at(-2).reason, w.sockets.length], ['silence', 2]);
});

test('a page that was stopped for long opens one connection', async (t) => {
  const w = world(t);
  await w.open();
  w.socket().end(4001);
  await w.advance(3600_000);
  w.page.open();
  w.page.open();
  await w.advance(1);
  assert.equal(w.sockets.length, 2);
});

test('1,000 pages that are told to come back are spread over the window', async (t) => {
  const w = world(t, { random: real.random });
  const pages = [];
  for (let i = 0; i < 1000; i++) pages.push(await w.open());
  w.sockets.forEach((socket) => socket.accept());
  w.sockets.slice().forEach((socket) => socket.end(1001));
  await w.settle();
  const perSecond = [];
  for (let second = 0; second < 20; second++) {
    const before = w.sockets.length;
    await w.advance(1000);
    w.sockets.slice(before).forEach((socket) => socket.accept());
    perSecond.push(w.sockets.length - before);
  }
  assert.equal(w.sockets.length, 2000);
  assert.ok(Math.max(...perSecond) <= 3 * (1000 / 20), `${perSecond}`);
  pages.forEach((page) => page.close());
});

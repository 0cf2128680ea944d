// Many pages in one process, with the client of clients/js and the WebSockets of ws:
// node pages.mjs MODULES URL COUNT OPTIONS. Prints a line of JSON for each change of a
// page's state and for each message. With "naive" in the options the pages come back
// as most hand-written loops do.
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';

const [modules, url, count, given] = process.argv.slice(2);
const { WebSocket: Library } = createRequire(modules)('ws');
globalThis.WebSocket = class extends Library {
  constructor(...given) {
    super(...given);
    this.on('error', () => {}); // in a browser an error that nobody listens to ends nothing
  }
};
const { connect } = await import('../../clients/js/castgate.js');
const { naive, tokens, ...options } = JSON.parse(given);

const say = (page, line) => process.stdout.write(JSON.stringify({ page, at: performance.timeOrigin + performance.now(), ...line }) + '\n');

function simple(page) {
  const socket = new WebSocket(url);
  socket.onmessage = () => say(page, { state: 'open' });
  socket.onclose = ({ code }) => {
    say(page, { state: 'waiting', code });
    setTimeout(simple, 1000, page);
  };
}

for (let page = 0; page < count; page++) {
  if (page % 50 === 49) await new Promise((done) => { setTimeout(done, 20); }); // they begin one after the other
  if (naive) {
    simple(page);
    continue;
  }
  connect(url, {
    ...options,
    ...tokens && { token: async (renew) => { say(page, { renew }); return (await fetch(tokens)).text(); } },
    state: (state, { error, ...detail }) => say(page, { state, ...detail, error: error && `${error.status ?? error.message}` }),
    message: ({ text, json, binary }) => say(page, { text, json, binary: binary && [...new Uint8Array(binary)] }),
  });
}

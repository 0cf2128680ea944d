// What vectors.json cannot show: node --test clients/node/test
import assert from 'node:assert/strict';
import http from 'node:http';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { CastgateError, Client, verify } from '../castgate.js';

const code = (wanted) => (error) => error instanceof CastgateError && error.code === wanted;

async function gateway(t, handle) {
  const server = http.createServer(handle).listen(0, '127.0.0.1');
  await new Promise((done) => { server.once('listening', done); });
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  return `127.0.0.1:${server.address().port}`;
}

test('addresses', () => {
  for (const good of ['gateway:1', '[::1]:7273', 'unix:/run/castgate.sock', 'https://gateway/castgate/']) new Client(good).close();
  for (const bad of ['ftp://gateway', 'http://', 'gateway:seven', 'http://g/?x=1']) assert.throws(() => new Client(bad), code('invalid_address'), bad);
  assert.throws(() => new Client('unix:/x', { fetch }), code('invalid_address'));
});

test('a path before the API, and the environment', async (t) => {
  const seen = [];
  const address = await gateway(t, (request, response) => {
    seen.push(request.url, request.headers.authorization);
    response.end('{}');
  });
  Object.assign(process.env, { CASTGATE_CONTROL: `http://${address}/behind/`, CASTGATE_CONTROL_KEY: 'from-the-environment' });
  t.after(() => { delete process.env.CASTGATE_CONTROL; delete process.env.CASTGATE_CONTROL_KEY; });
  const client = new Client();
  await client.stats();
  client.close();
  assert.deepEqual(seen, ['/behind/v1/stats', 'Bearer from-the-environment']);
});

test('what cannot be sent', async () => {
  const client = new Client('127.0.0.1:1');
  await assert.rejects(async () => client.push({ to: { all: true }, json: 1n }), code('invalid_value'));
  await assert.rejects(async () => client.pushRaw('\ud800', { to: { all: true } }), code('invalid_utf8'));
  await assert.rejects(async () => client.client('\udc00'), code('invalid_utf8'));
});

test('a signal ends a call, which is not repeated', async (t) => {
  let asked = 0;
  const controller = new AbortController();
  const address = await gateway(t, () => {
    asked++;
    controller.abort(Error('enough'));
  });
  const client = new Client(address);
  await assert.rejects(client.stats({ signal: controller.signal }), (error) => code('aborted')(error) && error.cause.message === 'enough');
  await assert.rejects(client.stats({ signal: controller.signal }), code('aborted'));
  assert.equal(asked, 1);
});

test('a listing that is left early ends its request', async (t) => {
  let ended;
  const over = new Promise((done) => { ended = done; });
  const address = await gateway(t, (request, response) => {
    response.write('{"uid":"a","clients":1}\n');
    response.on('close', ended);
  });
  for await (const row of new Client(address).uids()) {
    assert.equal(row.uid, 'a');
    break;
  }
  await over;
});

test('characters that are cut by a chunk', async (t) => {
  const line = Buffer.from('{"uid":"é中🙂","clients":1}\n');
  const address = await gateway(t, async (request, response) => {
    for (const byte of line) {
      response.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    response.end();
  });
  const rows = [];
  for await (const row of new Client(address).uids()) rows.push(row);
  assert.deepEqual(rows, [{ uid: 'é中🙂', clients: 1 }]);
});

test('a data view is its own bytes', async (t) => {
  let body = '';
  const address = await gateway(t, (request, response) => {
    request.on('data', (chunk) => { body += chunk; });
    request.on('end', () => response.end('{"matched":0,"queued":0,"dropped":0}'));
  });
  await new Client(address).push({ to: { all: true }, data: new Uint8Array([9, 1, 2, 9]).subarray(1, 3) });
  assert.equal(JSON.parse(body).base64, 'AQI=');
});

test('signatures of the reference library', { skip: !process.env.TOOLS }, () => {
  const { Webhook } = createRequire(process.env.TOOLS)('standardwebhooks');
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', body = '[{"id":"e-1","type":"castgate.client.connected","data":{"uid":"é"}}]';
  const now = new Date();
  const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': String(Math.floor(now / 1000)), 'webhook-signature': new Webhook(secret).sign('msg_1', now, body) };
  assert.equal(verify(headers, body, secret)[0].data.uid, 'é');
  assert.equal(verify(new Headers(headers), Buffer.from(body), ['whsec_AAAA', secret]).length, 1);
  assert.throws(() => verify(headers, body.replace('é', 'e'), secret), code('webhook_signature'));
});

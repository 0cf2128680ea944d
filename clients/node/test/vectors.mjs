// Makes the calls of a file of jobs and prints a line with the outcome of each:
// e2e/clientvectors_test.go runs it. node vectors.mjs http|fetch JOBS
import { readFileSync } from 'node:fs';
import { CastgateError, Client, verify } from '../castgate.js';

const [by, file] = process.argv.slice(2);

function build({ address, key, options }) {
  const { timeout, retries, retry_pushes: retryPushes, max_body: maxBody, max_commands: maxCommands, ca, cert, cert_key: certKey } = options ?? {};
  const given = { key, retries, retryPushes, maxBody, maxCommands, timeout: timeout && timeout * 1000, fetch: by === 'fetch' ? fetch : undefined };
  if (ca) given.tls = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(certKey) };
  return new Client(address, Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
}

const failure = ({ code, status, detail, sent }) => ({ code, status, detail, sent });
const names = { push_raw: 'pushRaw', client_page: 'clientPage', uid_page: 'uidPage', group_page: 'groupPage', event_page: 'eventPage', dead_events: 'deadEvents' };

function payload({ base64, wait, ...args }) {
  return { ...args, ...base64 !== undefined && { data: Buffer.from(base64, 'base64') }, ...wait && { wait: true } };
}

async function carryOut(gateway, call, args) {
  switch (call) {
    case 'verify':
      return verify(args.headers, args.body, args.secrets, { now: args.now });
    case 'client':
      return gateway.client(args.client_id);
    case 'put_session':
      return gateway.putSession(args.client_id, args.session);
    case 'patch_session':
      return gateway.patchSession(args.client_id, args.patch);
    case 'push_raw': {
      const { text, data, ...rest } = payload(args);
      return gateway.pushRaw(data ?? text, rest);
    }
    case 'clients': case 'uids': case 'groups': case 'events': {
      const rows = [];
      for await (const row of gateway[call](args)) rows.push(row);
      return rows;
    }
    case 'stats': case 'reload': case 'ready': case 'nodes': case 'event_page': case 'dead_events': case 'replay':
      return gateway[names[call] ?? call](args);
    case 'batch': {
      const batch = gateway.batch();
      for (const { op, ...fields } of args.commands) {
        if (op === 'put_session') batch.putSession(fields.client_id, fields.session);
        else if (op === 'patch_session') batch.patchSession(fields.client_id, fields.session);
        else batch[op](payload(fields));
      }
      return (await batch.send()).map(({ value, error }) => (error ? { error: failure(error) } : { value }));
    }
  }
  return gateway[names[call] ?? call](payload(args));
}

const clients = {};
for (const job of JSON.parse(readFileSync(file, 'utf8'))) {
  await new Promise((done) => { setTimeout(done, job.pause); });
  const name = JSON.stringify([job.address, job.key, job.options]);
  clients[name] ??= build(job);
  let outcome;
  try {
    outcome = { value: await carryOut(clients[name], job.call, job.args) };
  } catch (error) {
    if (!(error instanceof CastgateError)) throw error;
    outcome = { error: failure(error) };
  }
  console.log(JSON.stringify({ name: job.name, ...outcome }));
}
process.exit(0);

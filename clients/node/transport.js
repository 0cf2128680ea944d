// How requests are made: by node:http, which knows whether a request has begun to go
// out, or by fetch, for runtimes without it.
import http from 'node:http';
import https from 'node:https';
import { CastgateError } from './error.js';

// castgate closes connections that are idle for a minute.
const maxIdle = 30_000;

/** A transport takes {method, path, headers, body, signal} and resolves to {status, header(name), body}. */
export function transport(address, { connectTimeout, tls, fetch }) {
  const where = parse(address);
  return fetch ? byFetch(where, fetch) : byNode(where, connectTimeout, tls);
}

function parse(address) {
  if (address.startsWith('unix:')) return { text: address, socketPath: address.slice(5), base: new URL('http://control/') };
  let base;
  try {
    base = new URL(address.includes('://') ? address : `http://${address}`);
  } catch { /* reported below */ }
  if (!base || !base.hostname || base.search || !['http:', 'https:'].includes(base.protocol)) {
    throw new CastgateError('invalid_address', `the address ${address} is none of host:port, unix:/path and an http or https URL`);
  }
  return { text: address, base };
}

const prefix = (base) => base.pathname.replace(/\/+$/, '');

function lost(where, error, sent) {
  return new CastgateError('unreachable', `the control API at ${where.text}: ${error.message || error.code}`, { sent, cause: error });
}

function byNode(where, connectTimeout, tls) {
  const secure = where.base.protocol === 'https:';
  const agent = new (secure ? https : http).Agent({ keepAlive: true, timeout: maxIdle, maxFreeSockets: 16, ...tls });
  const { hostname, port } = where.base;
  const request = ({ method, path, headers, body, signal }) => new Promise((done, fail) => {
    let sent = false;
    const options = { agent, method, signal, path: prefix(where.base) + path, headers: { ...headers, 'Content-Length': body?.length ?? 0 } };
    if (body === undefined && method === 'GET') delete options.headers['Content-Length'];
    Object.assign(options, where.socketPath ? { socketPath: where.socketPath } : { hostname: hostname.replace(/^\[|\]$/g, ''), port });
    const req = (secure ? https : http).request(options);
    req.on('socket', (socket) => {
      if (req.reusedSocket) {
        sent = true;
        return;
      }
      const timer = setTimeout(() => req.destroy(new CastgateError('timeout', `no connection to ${where.text} within ${connectTimeout} ms`)), connectTimeout);
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        sent = true;
      });
      socket.once('close', () => clearTimeout(timer));
    });
    req.on('error', (error) => fail(error instanceof CastgateError ? error : lost(where, error, sent)));
    req.on('response', (response) => done({
      status: response.statusCode,
      header: (name) => response.headers[name],
      body: chunks(response, (error) => lost(where, error, true)),
    }));
    req.end(body);
  });
  return { request, close: () => agent.destroy() };
}

// Errors of connecting, by which a request that has not gone out is known.
const before = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

function byFetch(where, fetch) {
  if (where.socketPath) throw new CastgateError('invalid_address', 'fetch cannot use a unix socket');
  const url = where.base.origin + prefix(where.base);
  const request = async ({ method, path, headers, body, signal }) => {
    let response;
    try {
      response = await fetch(url + path, { method, headers, body, signal, redirect: 'manual' });
    } catch (error) {
      const cause = error.cause ?? error;
      throw lost(where, cause, !before.has(cause.code));
    }
    return {
      status: response.status,
      header: (name) => response.headers.get(name),
      body: chunks(response.body ?? [], (error) => lost(where, error.cause ?? error, true)),
    };
  };
  return { request, close() {} };
}

async function* chunks(body, broken) {
  try {
    yield* body;
  } catch (error) {
    throw broken(error);
  }
}

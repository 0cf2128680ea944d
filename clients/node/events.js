// Verifies the events that a gateway posts (Standard Webhooks).
import { createHmac, timingSafeEqual } from 'node:crypto';
import { CastgateError } from './error.js';

/** Seconds that the clocks of gateway and backend may differ. */
export const TOLERANCE = 300;

export function verify(headers, body, secrets, { now = Date.now() / 1000 } = {}) {
  const keys = [secrets].flat().map(key);
  if (keys.length === 0) throw new CastgateError('webhook_secret', 'no secret is given');
  const [id, stamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => header(headers, name));
  if (!id || !stamp || !signatures) throw new CastgateError('webhook_header', 'webhook-id, webhook-timestamp or webhook-signature is missing');
  if (!/^\d{1,15}$/.test(stamp)) throw new CastgateError('webhook_timestamp', 'webhook-timestamp is not a number');
  if (Math.abs(Math.floor(now) - Number(stamp)) > TOLERANCE) {
    throw new CastgateError('webhook_timestamp', 'webhook-timestamp differs from the clock by more than 5 minutes');
  }
  const data = Buffer.from(body);
  let good = false;
  for (const secret of keys) {
    const want = Buffer.from(`v1,${createHmac('sha256', secret).update(`${id}.${stamp}.`).update(data).digest('base64')}`);
    for (const signature of signatures.split(' ')) {
      const got = Buffer.from(signature);
      good = (got.length === want.length && timingSafeEqual(got, want)) || good;
    }
  }
  if (!good) throw new CastgateError('webhook_signature', 'no signature fits');
  return events(data);
}

function key(secret) {
  const text = secret.replace(/^whsec_/, '');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw new CastgateError('webhook_secret', 'a secret is not in base64');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0) throw new CastgateError('webhook_secret', 'a secret is empty'); // anybody could sign
  return bytes;
}

function header(headers, name) {
  if (typeof headers.get === 'function') return headers.get(name);
  const found = Object.entries(headers).find(([given]) => given.toLowerCase() === name)?.[1];
  return Array.isArray(found) ? found.join(' ') : found;
}

function events(data) {
  let value;
  try {
    value = JSON.parse(data.toString());
  } catch (cause) {
    throw new CastgateError('malformed', 'the body is not JSON', { cause });
  }
  const list = Array.isArray(value) ? value : [value];
  if (!list.every((event) => event?.id && event?.type)) throw new CastgateError('malformed', 'the body is not one event or a list of events');
  return list;
}

/** Every failure of this package: see castgate.d.ts. */
export class CastgateError extends Error {
  constructor(code, detail, { status = 0, sent = false, cause } = {}) {
    super(`${detail} [${code}]`, cause === undefined ? undefined : { cause });
    this.name = 'CastgateError';
    Object.assign(this, { code, detail, status, sent });
  }
}

export function malformed(status, cause) {
  return new CastgateError('malformed', `an answer with status ${status} that is not castgate's`, { status, sent: true, cause });
}

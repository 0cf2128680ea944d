"""Verifies the events that a gateway posts to a backend (Standard Webhooks)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Iterable, Mapping, Optional, Union

from .errors import CastgateError
from .types import Event

#: Seconds that the clocks of gateway and backend may differ.
TOLERANCE = 300


def verify(headers: Mapping[str, str], body: Union[bytes, str], secrets: Union[str, Iterable[str]], now: Optional[float] = None) -> list[Event]:
    """Returns the events of a request, or raises a CastgateError.

    ``headers`` are the request's, in any spelling of their names. ``body`` is what
    the gateway sent, byte for byte. ``secrets`` are those of --events-secret, with
    or without ``whsec_``; while they are rotated there are two. Each event is a
    CloudEvent: ``id`` (never used again), ``type``, ``subject`` (the client's id),
    ``time``, ``sequence``, ``data``.
    """
    data = body.encode() if isinstance(body, str) else bytes(body)
    keys = _keys(secrets)
    found = {name.lower(): value for name, value in headers.items()}
    webhook_id, stamp, signatures = (found.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not webhook_id or not stamp or not signatures:
        raise CastgateError("webhook_header", "webhook-id, webhook-timestamp or webhook-signature is missing")
    if not (stamp.isascii() and stamp.isdigit()):
        raise CastgateError("webhook_timestamp", "webhook-timestamp is not a number")
    if abs(int(time.time() if now is None else now) - int(stamp[:20])) > TOLERANCE:
        raise CastgateError("webhook_timestamp", "webhook-timestamp differs from the clock by more than 5 minutes")
    good = False
    for key in keys:
        mac = hmac.new(key, f"{webhook_id}.{stamp}.".encode() + data, hashlib.sha256).digest()
        want = b"v1," + base64.b64encode(mac)
        for signature in signatures.split():
            good |= hmac.compare_digest(signature.encode(), want)
    if not good:
        raise CastgateError("webhook_signature", "no signature fits")
    return _events(data)


def _keys(secrets: Union[str, Iterable[str]]) -> list[bytes]:
    try:
        keys = [base64.b64decode(s[6:] if s.startswith("whsec_") else s, validate=True) for s in ([secrets] if isinstance(secrets, str) else secrets)]
    except (binascii.Error, ValueError) as e:
        raise CastgateError("webhook_secret", "a secret is not in base64") from e
    if not keys or not all(keys):
        raise CastgateError("webhook_secret", "no secret is given, or an empty one")
    return keys


def _events(data: bytes) -> list[Event]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise CastgateError("malformed", f"the body is not JSON: {e}") from e
    events = value if isinstance(value, list) else [value]
    if not all(isinstance(e, dict) and e.get("id") and e.get("type") for e in events):
        raise CastgateError("malformed", "the body is not one event or a list of events")
    return events

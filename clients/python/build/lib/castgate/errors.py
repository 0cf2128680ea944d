"""The one exception of this package."""

from __future__ import annotations

from typing import Any, Optional


class CastgateError(Exception):
    """Every failure of this package.

    ``code`` is stable, for programs: the code of the gateway's problem
    (``unknown_client``, ``busy``, see PROBLEM_CODES), or one of this package:
    ``unreachable`` (no connection, or it broke), ``timeout`` with status 0,
    ``malformed`` (the answer is not castgate's, perhaps a proxy's),
    ``invalid_address``, ``invalid_utf8``, ``invalid_value``, ``webhook_header``,
    ``webhook_timestamp``, ``webhook_signature``, ``webhook_secret``.

    ``status`` is the HTTP status, 0 if there was no answer. ``detail`` is for
    humans. ``sent`` tells that the call may have been executed although it failed.
    """

    #: For this package: the header Retry-After of the answer.
    retry_after: Optional[str] = None

    def __init__(self, code: str, detail: str, status: int = 0, sent: bool = False) -> None:
        super().__init__(f"{detail} [{code}]")
        self.code = code
        self.detail = detail
        self.status = status
        self.sent = sent

    def __reduce__(self) -> Any:  # exceptions are pickled between processes
        return CastgateError, (self.code, self.detail, self.status, self.sent)


def malformed(status: int, why: Optional[object] = None) -> CastgateError:
    """The error of an answer that is not castgate's."""
    more = f": {why}" if why else ""
    return CastgateError("malformed", f"an answer with status {status} that is not castgate's{more}", status, True)

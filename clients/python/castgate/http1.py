"""HTTP/1.1 as bytes, without sockets: what Client and AsyncClient share (RFC 9112)."""

from __future__ import annotations

import json
import os
import random
import ssl
from typing import Any, Iterator, Optional
from urllib.parse import urlsplit

from .call import LINES, Call
from .errors import CastgateError, malformed

DEFAULT_ADDRESS = "127.0.0.1:7273"
#: castgate closes connections that are idle for a minute.
MAX_IDLE = 30.0

_MAX_HEAD = 64 << 10
_MAX_LINE = 64 << 20
_MAX_BODY = 64 << 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class Address:
    """Where the control API is: host:port, unix:/path, or an http or https URL."""

    def __init__(self, address: Optional[str], key: Optional[str], tls: Optional[ssl.SSLContext]) -> None:
        self.text = text = address or os.environ.get("CASTGATE_CONTROL") or DEFAULT_ADDRESS
        self.key = key or os.environ.get("CASTGATE_CONTROL_KEY") or ""
        self.unix = text[5:] if text.startswith("unix:") else None
        self.base, self.server_name = "", ""
        self.tls: Optional[ssl.SSLContext] = None
        self.host: str
        if self.unix is not None:
            self.host, self.port, self.host_header = "", 0, "control"
            return
        try:
            url = urlsplit(text if "://" in text else "http://" + text)
            self.host, self.port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        except ValueError:
            url = None
        if url is None or not self.host or url.scheme not in ("http", "https") or url.query:
            raise CastgateError("invalid_address", f"the address {text} is none of host:port, unix:/path and an http or https URL")
        self.base, self.host_header = url.path.rstrip("/"), url.netloc.rpartition("@")[2]
        if url.scheme == "https":
            self.tls = tls or ssl.create_default_context()
            self.server_name = self.host

    def request(self, call: Call[Any]) -> bytes:
        """The bytes of a request."""
        head = [f"{call.method} {self.base}{call.path} HTTP/1.1", f"Host: {self.host_header}"]
        if self.key:
            head.append(f"Authorization: Bearer {self.key}")
        if call.lines:
            head.append(f"Accept: {LINES}")
        if call.content_type:
            head.append(f"Content-Type: {call.content_type}")
        if call.body is not None or call.method != "GET":
            head.append(f"Content-Length: {len(call.body or b'')}")
        return "\r\n".join(head).encode() + b"\r\n\r\n" + (call.body or b"")

    def lost(self, why: object, sent: bool) -> CastgateError:
        return CastgateError("unreachable", f"the control API at {self.text}: {why}", 0, sent)

    def late(self, seconds: float, sent: bool) -> CastgateError:
        return CastgateError("timeout", f"the control API at {self.text} has not answered within {seconds:g} s", 0, sent)


class Answer:
    """Reads one answer. Feed it what arrives, b"" at the end of the connection."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.keep = False  # the connection may be used again
        self._in = bytearray()
        self._body = bytearray()
        self._left: Optional[int] = None  # of the body or of the chunk; None is until the end
        self._chunked = False
        self._in_chunk = False
        self._trailer = False

    def feed(self, data: bytes) -> None:
        """Raises EOFError if the connection ended too early, ValueError for what is not HTTP."""
        self._in += data
        if self.status == 0 and not self._head():
            if not data:
                raise EOFError("the connection was closed before the answer")
            return
        self._read_body()
        if not data and not self.complete:
            if self._chunked or self._left is not None:
                raise EOFError("the connection was closed in the middle of the answer")
            self.complete = True

    def take(self) -> bytes:
        """What has arrived of the body since the last take."""
        body = bytes(self._body)
        self._body.clear()
        return body

    def _line(self) -> Optional[bytes]:
        end = self._in.find(b"\r\n")
        if end < 0:
            if len(self._in) > _MAX_HEAD:
                raise ValueError("a line without an end")
            return None
        line = bytes(self._in[:end])
        del self._in[: end + 2]
        return line

    def _head(self) -> bool:
        end = self._in.find(b"\r\n\r\n")
        if end < 0:
            if len(self._in) > _MAX_HEAD:
                raise ValueError("a head without an end")
            return False
        first, *fields = bytes(self._in[:end]).decode("latin-1").split("\r\n")
        del self._in[: end + 4]
        version, _, rest = first.partition(" ")
        if version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdigit():
            raise ValueError("not an answer in HTTP/1.1")
        status = int(rest[:3])
        if status < 200:
            return self._head()
        for field in fields:
            name, _, value = field.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.status = status
        self._chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        if status in (204, 304):  # they never have a body
            self._chunked, self._left = False, 0
        elif not self._chunked and "content-length" in self.headers:
            self._left = _number(self.headers["content-length"], "0123456789", 10)
        self.keep = version == "HTTP/1.1" and self.headers.get("connection", "").lower() != "close" and (self._chunked or self._left is not None)
        return True

    def _read_body(self) -> None:
        if not self._chunked:
            n = len(self._in) if self._left is None else min(self._left, len(self._in))
            self._move(n)
            if self._left is not None:
                self._left -= n
                self.complete = self._left == 0
            return
        while not self.complete:
            if self._in_chunk and self._left:
                n = min(self._left, len(self._in))
                self._move(n)
                self._left -= n
                if self._left:
                    return
            line = self._line()
            if line is None:
                return
            if self._trailer:
                self.complete = line == b""
            elif self._in_chunk:  # the empty line behind a chunk
                self._in_chunk = False
            else:
                self._left = _number(line.split(b";")[0].decode("latin-1").strip(), "0123456789abcdefABCDEF", 16)
                self._in_chunk = self._left > 0
                self._trailer = self._left == 0

    def _move(self, n: int) -> None:
        self._body += self._in[:n]
        del self._in[:n]
        if len(self._body) > _MAX_BODY:
            raise malformed(self.status, "it has more than 64 MiB")


def _number(text: str, digits: str, base: int) -> int:
    if not text or len(text) > 15 or text.strip(digits):
        raise ValueError(f"{text[:20]!r} is not a length")
    return int(text, base)


class Lines:
    """Splits a body into the JSON values of its lines."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []  # pieces of a line, joined once: a long line has many
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Any]:
        first, *more = data.split(b"\n")
        self._add(first)
        for piece in more:
            line = b"".join(self._begun)
            self._begun, self._size = [], 0
            self._add(piece)
            yield decode(line, 200)

    def finish(self) -> Iterator[Any]:
        if self._size:
            yield decode(b"".join(self._begun), 200)

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > _MAX_LINE:
            raise malformed(200, "a line without an end")
        if piece:
            self._begun.append(piece)


def decode(text: bytes, status: int) -> Any:
    """An answer, or a row: always an object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise malformed(status, e) from e
    if not isinstance(value, dict):
        raise malformed(status, "it is not an object")
    return value


def problem(status: int, body: bytes) -> CastgateError:
    """The error of an answer other than 200."""
    try:
        p = json.loads(body)
        return CastgateError(str(p["code"]), str(p.get("detail", "")), status)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return malformed(status)


def reply(line: Any) -> Any:
    """A reply of a batch: the answer, or the error as a value."""
    try:
        if line["status"] == 200:
            return line["body"]
        p = line["problem"]
        return CastgateError(p["code"], p["detail"], line["status"])
    except (KeyError, TypeError) as e:
        raise malformed(200, e) from e


class Retries:
    """Decides whether and when a call is made again."""

    def __init__(self, limit: int, pushes: bool) -> None:
        self.left, self.pushes, self.pause = limit, pushes, _FIRST_PAUSE

    def after(self, call: Call[Any], error: CastgateError, retry_after: Optional[str]) -> float:
        """Seconds to wait before the next attempt; raises the error if there is none."""
        pause = float(retry_after) if retry_after and retry_after.isdigit() else None
        if self.left <= 0 or not self._may(call, error) or (pause or 0) > _LONGEST_PAUSE:
            raise error
        self.left -= 1
        if pause is None:
            pause = random.uniform(0, self.pause)
            self.pause = min(2 * self.pause, _LONGEST_PAUSE)
        return pause

    def _may(self, call: Call[Any], error: CastgateError) -> bool:
        if error.code in ("timeout", "deadline"):
            return False
        if error.status == 429 or error.status == 503 and error.code != "malformed":
            return True  # turned away
        if error.code == "unreachable" or error.code == "malformed" and error.status >= 500:
            return not error.sent or call.safe or self.pushes
        return False

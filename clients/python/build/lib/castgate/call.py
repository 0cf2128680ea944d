"""Calls as values: a request, and whether it may be sent twice."""

from __future__ import annotations

import json as _json
from dataclasses import dataclass
from typing import Any, Generic, Iterable, Mapping, Optional, Sequence, TypeVar
from urllib.parse import quote, urlencode

from .errors import CastgateError

JSON = "application/json"
LINES = "application/x-ndjson"

#: What the answer to a call is.
Answered = TypeVar("Answered")


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


#: The default of ``json=``: None is a value of JSON.
MISSING = _Missing()


@dataclass(frozen=True)
class Call(Generic[Answered]):
    """One request. ``safe`` says that executed twice is as good as once.

    With ``lines`` the answer is rows. ``longer`` is how many seconds the gateway may
    wait before it answers.
    """

    method: str
    path: str
    safe: bool = True
    body: Optional[bytes] = None
    content_type: str = ""
    lines: bool = False
    longer: float = 0

    def call(self) -> Call[Answered]:
        return self


@dataclass(frozen=True)
class Command(Generic[Answered]):
    """A verb and its fields, by itself or in a batch."""

    op: str
    body: dict[str, Any]

    @property
    def safe(self) -> bool:
        return self.op not in ("push", "kick") and "exclusive" not in self.body

    def call(self) -> Call[Answered]:
        """The request that carries out this command alone."""
        return Call("POST", path(self.op), self.safe, encode(self.body), JSON)


def encode(value: Any) -> bytes:
    """JSON in UTF-8. What JSON cannot hold is a CastgateError."""
    try:
        return utf8(_json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    except (TypeError, ValueError, RecursionError) as e:
        raise CastgateError("invalid_value", f"cannot be encoded as JSON: {e}") from e


def utf8(text: str) -> bytes:
    """The text in UTF-8. Lone surrogates are a CastgateError."""
    try:
        return text.encode()
    except UnicodeEncodeError as e:
        raise CastgateError("invalid_utf8", f"a string is not UTF-8: {e}") from e


def given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None. An empty list stays: it names nobody."""
    return {name: value for name, value in fields.items() if value is not None}


def named(names: Optional[Iterable[str]]) -> Optional[list[str]]:
    """A list of names. A string is refused: it would be a list of its letters."""
    if isinstance(names, str):
        raise TypeError("a list of names is needed, not a string")
    return None if names is None else list(names)


def path(*parts: str, query: Mapping[str, Any] = {}) -> str:  # noqa: B006 the default is never changed
    """A path of the API, with its parameters; lists repeat their name."""
    try:
        text = "/v1/" + "/".join(quote(part, safe="") for part in parts)
        parameters = urlencode(query, doseq=True)
    except UnicodeEncodeError as e:
        raise CastgateError("invalid_utf8", f"a string is not UTF-8: {e}") from e
    return f"{text}?{parameters}" if parameters else text


def batches(commands: Sequence[Command[Any]], max_commands: int, max_body: int) -> Iterable[tuple[Call[Any], Sequence[Command[Any]]]]:
    """The requests that a batch takes, each with its commands."""
    lines = [encode({"op": c.op, **c.body}) + b"\n" for c in commands]
    start = 0
    while start < len(commands):
        end, size = start, 0
        while end < len(commands) and end - start < max_commands and (end == start or size + len(lines[end]) <= max_body):
            size += len(lines[end])
            end += 1
        some = commands[start:end]
        yield Call("POST", path("batch"), all(c.safe for c in some), b"".join(lines[start:end]), LINES, True), some
        start = end

"""Calls as values: what a verb sends, and whether it may be sent twice."""

from __future__ import annotations

import base64
import json as _json
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Optional, Sequence, Union
from urllib.parse import quote, urlencode

from .errors import CastgateError

JSON = "application/json"
LINES = "application/x-ndjson"


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


#: The default of ``json=``: None is a value of JSON.
MISSING = _Missing()


@dataclass(frozen=True)
class Call:
    """One request. ``safe`` says that executed twice is as good as once."""

    method: str
    path: str
    safe: bool = True
    body: Optional[bytes] = None
    content_type: str = ""
    lines: bool = False


@dataclass(frozen=True)
class Command:
    """A verb and its fields, by itself or in a batch."""

    op: str
    body: dict[str, Any]

    @property
    def safe(self) -> bool:
        return self.op not in ("push", "kick") and "exclusive" not in self.body

    def call(self) -> Call:
        return Call("POST", "/v1/" + self.op, self.safe, encode(self.body), JSON)


def encode(value: Any) -> bytes:
    """JSON in UTF-8. What JSON cannot hold is a CastgateError."""
    try:
        return _json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as e:
        raise CastgateError("invalid_utf8", f"a string is not UTF-8: {e}") from e
    except (TypeError, ValueError) as e:
        raise CastgateError("invalid_value", f"cannot be encoded as JSON: {e}") from e


def _given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None. An empty list stays: it names nobody."""
    return {name: value for name, value in fields.items() if value is not None}


def _names(names: Optional[Iterable[str]]) -> Optional[list[str]]:
    if isinstance(names, str):
        raise TypeError("a list of names is needed, not a string")
    return None if names is None else list(names)


def targets(client_ids, uids, groups, all) -> dict[str, Any]:
    to = _given(client_ids=_names(client_ids), uids=_names(uids), groups=_names(groups))
    return {**to, "all": True} if all else to


def exclusions(client_ids, uids) -> Optional[dict[str, Any]]:
    return _given(client_ids=_names(client_ids), uids=_names(uids)) or None


def bind(client_id, uid, groups, kick_old) -> Command:
    body = _given(client_id=client_id, uid=uid, groups=_names(groups))
    return Command("bind", {**body, "exclusive": "kick_old"} if kick_old else body)


def unbind(client_id) -> Command:
    return Command("unbind", {"client_id": client_id})


def unbind_uids(uids) -> Command:
    return Command("unbind", {"uids": _names(uids)})


def membership(op, groups, client_ids, uids) -> Command:
    return Command(op, _given(groups=_names(groups), client_ids=_names(client_ids), uids=_names(uids)))


def ungroup(groups) -> Command:
    return Command("ungroup", {"groups": _names(groups)})


def push(to, exclude, text, json, data, wait) -> Command:
    body: dict[str, Any] = {"to": to, **_given(exclude=exclude, text=text)}
    if json is not MISSING:
        body["json"] = json
    if data is not None:
        body["base64"] = base64.b64encode(data).decode()
    if wait:
        body["wait"] = "written"
    return Command("push", body)


def push_raw(message: Union[str, bytes], to: Mapping[str, Any], exclude: Optional[Mapping[str, Any]], wait: bool) -> Call:
    query: list[tuple[str, str]] = []
    for field, name in (("client_ids", "client_id"), ("uids", "uid"), ("groups", "group")):
        query += [(name, value) for value in to.get(field, ())]
    for field, name in (("client_ids", "exclude_client_id"), ("uids", "exclude_uid")):
        query += [(name, value) for value in (exclude or {}).get(field, ())]
    if to.get("all"):
        query.append(("all", "1"))
    if not isinstance(message, str):
        query.append(("binary", "1"))
    if wait:
        query.append(("wait", "written"))
    try:
        body = message.encode() if isinstance(message, str) else bytes(message)
        path = "/v1/push/raw?" + urlencode(query)
    except UnicodeEncodeError as e:
        raise CastgateError("invalid_utf8", f"a string is not UTF-8: {e}") from e
    return Call("POST", path, False, body, "application/octet-stream")


def kick(to, exclude, code, reason, text) -> Command:
    return Command("kick", {"to": to, **_given(exclude=exclude, code=code, reason=reason, text=text)})


def online(client_ids, uids) -> Command:
    return Command("online", _given(client_ids=_names(client_ids), uids=_names(uids)))


def counts(groups, uids) -> Command:
    return Command("counts", _given(groups=_names(groups), uids=_names(uids)))


def session(method: str, client_id: str, value: Any) -> Call:
    return Call(method, client_path(client_id) + "/session", True, encode(value), JSON)


def client_path(client_id: str) -> str:
    try:
        return "/v1/clients/" + quote(client_id, safe="")
    except UnicodeEncodeError as e:
        raise CastgateError("invalid_utf8", f"a string is not UTF-8: {e}") from e


def listing(what: str, uid, group, limit, cursor=None, lines=True) -> Call:
    try:
        query = urlencode(_given(uid=uid, group=group, limit=limit, cursor=cursor))
    except UnicodeEncodeError as e:
        raise CastgateError("invalid_utf8", f"a string is not UTF-8: {e}") from e
    return Call("GET", f"/v1/{what}" + (f"?{query}" if query else ""), lines=lines)


def batches(commands: Sequence[Command], max_commands: int, max_body: int) -> Iterable[tuple[Call, Sequence[Command]]]:
    """The requests that a batch takes, each with its commands."""
    lines = [encode({"op": c.op, **c.body}) + b"\n" for c in commands]
    start = 0
    while start < len(commands):
        end, size = start, 0
        while end < len(commands) and end - start < max_commands and (end == start or size + len(lines[end]) <= max_body):
            size += len(lines[end])
            end += 1
        some = commands[start:end]
        yield Call("POST", "/v1/batch", all(c.safe for c in some), b"".join(lines[start:end]), LINES, True), some
        start = end

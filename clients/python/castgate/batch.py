"""The commands of a batch, which is sent by Client or AsyncClient."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional

from . import call as _call
from .call import MISSING

Names = Optional[Iterable[str]]


class CommandList:
    """Collects commands. Its methods take the same arguments as those of Client."""

    def __init__(self) -> None:
        self._commands: list[_call.Command] = []

    def __len__(self) -> int:
        return len(self._commands)

    def bind(self, client_id: str, uid: str, groups: Names = None, kick_old: bool = False) -> None:
        self._commands.append(_call.bind(client_id, uid, groups, kick_old))

    def unbind(self, client_id: str) -> None:
        self._commands.append(_call.unbind(client_id))

    def unbind_uids(self, uids: Iterable[str]) -> None:
        self._commands.append(_call.unbind_uids(uids))

    def join(self, groups: Iterable[str], *, client_ids: Names = None, uids: Names = None) -> None:
        self._commands.append(_call.membership("join", groups, client_ids, uids))

    def leave(self, groups: Iterable[str], *, client_ids: Names = None, uids: Names = None) -> None:
        self._commands.append(_call.membership("leave", groups, client_ids, uids))

    def ungroup(self, groups: Iterable[str]) -> None:
        self._commands.append(_call.ungroup(groups))

    def push(
        self,
        *,
        client_ids: Names = None,
        uids: Names = None,
        groups: Names = None,
        all: bool = False,
        text: Optional[str] = None,
        json: Any = MISSING,
        data: Optional[bytes] = None,
        exclude_client_ids: Names = None,
        exclude_uids: Names = None,
        wait: bool = False,
    ) -> None:
        to, exclude = _call.targets(client_ids, uids, groups, all), _call.exclusions(exclude_client_ids, exclude_uids)
        self._commands.append(_call.push(to, exclude, text, json, data, wait))

    def kick(
        self,
        *,
        client_ids: Names = None,
        uids: Names = None,
        groups: Names = None,
        all: bool = False,
        code: Optional[int] = None,
        reason: Optional[str] = None,
        text: Optional[str] = None,
        exclude_client_ids: Names = None,
        exclude_uids: Names = None,
    ) -> None:
        to, exclude = _call.targets(client_ids, uids, groups, all), _call.exclusions(exclude_client_ids, exclude_uids)
        self._commands.append(_call.kick(to, exclude, code, reason, text))

    def online(self, *, client_ids: Names = None, uids: Names = None) -> None:
        self._commands.append(_call.online(client_ids, uids))

    def counts(self, *, groups: Names = None, uids: Names = None) -> None:
        self._commands.append(_call.counts(groups, uids))

    def put_session(self, client_id: str, session: Mapping[str, Any]) -> None:
        self._commands.append(_call.Command("put_session", {"client_id": client_id, "session": session}))

    def patch_session(self, client_id: str, patch: Mapping[str, Any]) -> None:
        self._commands.append(_call.Command("patch_session", {"client_id": client_id, "session": patch}))

    def _taken(self) -> list[_call.Command]:
        commands, self._commands = self._commands, []
        return commands

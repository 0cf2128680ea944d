"""The commands of a batch, which is sent by Client or AsyncClient."""

from __future__ import annotations

from typing import Any

from . import verbs
from .call import Command
from .methods import adding


class CommandList:
    """Collects commands. Its methods take the same arguments as those of Client."""

    def __init__(self) -> None:
        self._commands: list[Command[Any]] = []

    def __len__(self) -> int:
        return len(self._commands)

    bind = adding(verbs.bind)
    unbind = adding(verbs.unbind)
    unbind_uids = adding(verbs.unbind_uids)
    join = adding(verbs.join)
    leave = adding(verbs.leave)
    ungroup = adding(verbs.ungroup)
    push = adding(verbs.push)
    kick = adding(verbs.kick)
    online = adding(verbs.online)
    counts = adding(verbs.counts)
    put_session = adding(verbs.put_session_command)
    patch_session = adding(verbs.patch_session_command)

    def _taken(self) -> list[Command[Any]]:
        commands, self._commands = self._commands, []
        return commands

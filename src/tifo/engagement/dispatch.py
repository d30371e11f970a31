"""Dispatches a command of any kind to the rules. Every engine performs its commands by this one function.

An engine adds what is its own: where the state comes from, where the effects go, and when they are durable.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, get_args

from tifo.engagement.batch import Working
from tifo.engagement.commands import ApplyDefinitions, Command, DefinitionCommand, InvokeActions, PlayCommand
from tifo.engagement.definitions import apply, define
from tifo.engagement.model import Definition
from tifo.engagement.ports import Decision
from tifo.kernel.ids import NewId

_DEFINES_ONE: frozenset[type] = frozenset(get_args(DefinitionCommand))
_DEFINES = _DEFINES_ONE | {ApplyDefinitions}


class Effects(NamedTuple):
    """Everything that an accepted command leaves behind."""

    answer: Any
    """A value of the command's answer type."""
    decisions: Sequence[Decision] = ()
    definitions: Sequence[Definition] = ()
    """Definitions made or changed, in order. The working state's game has them already."""


def perform(working: Working, command: Command[Any], now: datetime, new_id: NewId) -> Effects:
    """Performs one command on the working state. Raises what the rules raise; nothing has changed then."""
    # By the type itself: isinstance would compare every play command with some thirty types.
    kind = type(command)
    if kind in _DEFINES:
        return _define(working, command, now, new_id)
    if kind is InvokeActions:
        decisions, outcomes = working.invoke_all(command, now, new_id)  # type: ignore[arg-type]  # its kind is known
        return Effects(outcomes, decisions)
    decision = working.play(command, now, new_id)  # type: ignore[arg-type]  # all other kinds play
    return Effects(decision.answer, (decision,))


def _define(working: Working, command: Any, now: datetime, new_id: NewId) -> Effects:
    if isinstance(command, ApplyDefinitions):
        working.game, made = apply(working.game, command, now, new_id)
        return Effects(made, definitions=made)
    definition = define(working.game, command, now, new_id)
    working.game = working.game.with_(definition)
    return Effects(definition, definitions=(definition,))


def defines(command: Command[Any]) -> bool:
    """Says whether the command changes definitions; every other command plays."""
    return type(command) in _DEFINES


def play_commands(command: Any) -> Sequence[PlayCommand]:
    """Returns the play commands in a command: those of a list, the command itself, or none if it defines."""
    if isinstance(command, InvokeActions):
        return command.actions
    return () if defines(command) else (command,)


def weight(command: Any) -> int:
    """Returns the number of commands that this one counts as, when a batch is filled."""
    # A list of 1,000 actions as one command would make a commit of any size.
    return len(command.actions) if isinstance(command, InvokeActions) else 1


def answer_type(kind: type[Command[Any]]) -> Any:
    """Returns the type of a command's answer, by which a stored answer is decoded."""
    # A class without generic bases of its own (`Credit`) inherits the bases of the class above it.
    return get_args(kind.__orig_bases__[0])[0]  # type: ignore[attr-defined]

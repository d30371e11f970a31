"""Commands that define an application's settings and programs."""

from msgspec import UNSET

from tifo.engagement.commands.base import Command, Create, Unset
from tifo.engagement.model import Application, Program
from tifo.kernel.ids import ProgramId


class UpdateApplication(Command[Application], frozen=True, kw_only=True):
    # None of these fields can be emptied, so None may say that a field was not sent.
    name: str | None = None
    automatic_quest_processing: bool | None = None
    auto_claim_quest_rewards: bool | None = None


class CreateProgram(Create[Program], frozen=True, kw_only=True):
    pass


class UpdateProgram(Command[Program], frozen=True, kw_only=True):
    program_id: ProgramId
    name: str | Unset = UNSET
    key: str | Unset | None = UNSET

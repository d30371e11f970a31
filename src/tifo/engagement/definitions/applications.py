"""Defines the application's settings and its programs."""

import msgspec

from tifo.engagement.commands import CreateProgram, UpdateApplication, UpdateProgram
from tifo.engagement.definitions.shared import DefinitionContext, changed, check_named
from tifo.engagement.model import Application, Game, Program
from tifo.engagement.references import known
from tifo.engagement.values import check_text
from tifo.kernel.ids import ProgramId


def update_application(context: DefinitionContext, command: UpdateApplication) -> Application:
    names = ("name", "automatic_quest_processing", "auto_claim_quest_rewards")
    given = {name: value for name in names if (value := getattr(command, name)) is not None}
    return msgspec.structs.replace(context.game.application, **given)


def check_application(application: Application, _game: Game) -> Application:
    check_text(application.name, "name")
    return application


def create_program(context: DefinitionContext, command: CreateProgram) -> Program:
    program_id = ProgramId(context.id(command.id))
    return Program(id=program_id, name=command.name, key=command.key, created_at=context.now)


def update_program(context: DefinitionContext, command: UpdateProgram) -> Program:
    program: Program = known(context.game.programs, command.program_id, "program", "program_id")
    return changed(program, command, "name", "key")


def check_program(program: Program, game: Game) -> Program:
    return check_named(program, game.programs)

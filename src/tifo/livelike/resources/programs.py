"""Programs, with the leaderboards that are linked to them."""

from tifo.engagement.model import Program
from tifo.kernel.clock import to_iso
from tifo.livelike.resources.base import Id, Resource, Time, Url
from tifo.livelike.resources.context import ResourceContext
from tifo.livelike.resources.leaderboards import LeaderboardResource


class ProgramResource(Resource, frozen=True, kw_only=True):
    id: Id
    key: str | None
    url: Url
    client_id: Id
    name: str
    title: str
    created_at: Time
    is_default: bool
    leaderboards: list[LeaderboardResource]

    @classmethod
    def of(cls, program: Program, context: ResourceContext) -> "ProgramResource":
        game = context.game
        return cls(
            id=program.id,
            key=program.key,
            url=context.links.query(f"programs/{program.id}", client_id=context.client_id),
            client_id=context.client_id,
            name=program.name,
            # LiveLike calls a program's name its title.
            title=program.name,
            created_at=to_iso(program.created_at),
            is_default=program.id == game.application.default_program_id,
            leaderboards=[
                LeaderboardResource.of(board, context)
                for board in game.leaderboards.values()
                if program.id in board.program_ids
            ],
        )

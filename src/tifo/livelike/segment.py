"""Actions of the type `segment`, as they are asked for."""

from tifo.engagement.model import Condition, SegmentTrigger
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ClientId
from tifo.livelike.call import LiveLikeRequest
from tifo.livelike.shapes import RewardActionInput
from tifo.livelike.tokens import Caller
from tifo.workspace.model import Catalog, Source


async def trigger_of(request: LiveLikeRequest, caller: Caller, body: RewardActionInput) -> SegmentTrigger | None:
    """None for an action that is invoked by request only."""
    asked = body.segment
    if (asked is None) == (body.type == "segment"):
        raise Rejected('An action of type "segment" has segment: {source, event}, and no other has.', field="segment")
    if asked is None:
        return None
    catalog: Catalog = request.app.state["catalog"]
    source = await request.ask(_source, catalog, asked.source)
    await request.ask(_check_circle, catalog, caller.client_id, source)
    return SegmentTrigger(
        source_id=source.id,
        event=asked.event,
        conditions=tuple(
            Condition(property=each.property, operator=each.operator, value=each.value) for each in asked.properties
        ),
        program_id=asked.program_id,
        create_profiles=asked.create_profiles,
    )


def _source(catalog: Catalog, name: str) -> Source:
    for source in catalog.sources():
        if name in {source.slug, source.id}:
            return source
    raise NotFound(f"There is no source {name!r:.100}. See tifo source list.", field="source")


def _check_circle(catalog: Catalog, client_id: ClientId, source: Source) -> None:
    """Such an action would act on what it causes. The consumer would skip these events; better not to wait for them."""
    for connection in catalog.connections():
        own = connection.client_id == client_id and connection.endpoint is None
        if own and connection.write_key in source.write_keys:
            raise Rejected(
                f"The application's own events go to the source {source.slug}: an action there could trigger itself."
                " Name another source.",
                field="source",
            )

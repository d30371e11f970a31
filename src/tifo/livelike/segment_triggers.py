"""Reads the trigger of a reward action of the type `segment`: the tracked event that invokes it."""

from tifo.engagement.model import Condition, SegmentTrigger
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ClientId
from tifo.livelike.inputs.rewards import RewardActionInput
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.tokens import Caller
from tifo.workspace.model import Catalog, Source
from tifo.workspace.rules import check_no_circle


async def trigger_of(request: LiveLikeRequest, caller: Caller, body: RewardActionInput) -> SegmentTrigger | None:
    """Returns the trigger that the body describes; None for an action that only a request invokes."""
    segment = body.segment
    if (segment is None) == (body.type == "segment"):
        raise Rejected('An action of type "segment" has segment: {source, event}, and no other has.', field="segment")
    if segment is None:
        return None
    catalog = request.services.catalog
    if catalog is None:
        raise Rejected(
            'Actions of the type "segment" cannot be made here; this server has no sources.', field="segment"
        )
    source = await request.in_thread(_source, catalog, segment.source)
    await request.in_thread(_check_no_circle, catalog, caller.client_id, source)
    return SegmentTrigger(
        source_id=source.id,
        event=segment.event,
        conditions=tuple(
            Condition(property=each.property, operator=each.operator, value=each.value) for each in segment.properties
        ),
        program_id=segment.program_id,
        create_profiles=segment.create_profiles,
    )


def _source(catalog: Catalog, name: str) -> Source:
    for source in catalog.sources():
        if name in {source.slug, source.id}:
            return source
    raise NotFound(f"There is no source {name!r:.100}. See tifo source list.", field="source")


def _check_no_circle(catalog: Catalog, client_id: ClientId, source: Source) -> None:
    check_no_circle(client_id, source, catalog.connections())

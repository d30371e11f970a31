"""All requests share these services: the engine, the queries, and the caches before them."""

from typing import NamedTuple

from tifo.engagement.access import Access
from tifo.engagement.images import Images
from tifo.engagement.ports import Engine, Queries
from tifo.kernel.clock import Clock
from tifo.livelike.batched_reads import BatchedReads
from tifo.livelike.nicknames import Nicknames
from tifo.livelike.tokens import Tokens
from tifo.source.outbox import WebhookOutbox
from tifo.workspace.model import Catalog


class LiveLikeServices(NamedTuple):
    engine: Engine
    queries: Queries
    tokens: Tokens
    nicknames: Nicknames
    public_url: str | None
    """Addresses in answers start with it; None: with the request's own scheme and host."""
    clock: Clock
    reads: BatchedReads
    access: Access | None = None
    """None: the organisation's token opens nothing."""
    images: Images | None = None
    """None: pictures cannot be uploaded."""
    outbox: WebhookOutbox | None = None
    """None: there are no routes of webhooks."""
    catalog: Catalog | None = None
    """None: actions of the type `segment` cannot be made."""

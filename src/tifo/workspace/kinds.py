"""The catalog of source kinds: each kind's name, and how to set it up with a write key."""

from dataclasses import dataclass

from tifo.kernel.errors import NotFound
from tifo.workspace.model import SourceType


@dataclass(frozen=True)
class SourceKind:
    type: SourceType
    name: str
    description: str
    categories: tuple[str, ...]
    setup: str
    """Text with `{write_key}`, `{slug}` and `{endpoint}` (Tifo's address, without a slash at its end) to fill in."""

    @property
    def id(self) -> str:
        """Names the kind, in the management API as its slug too."""
        return self.type.value

    @property
    def is_cloud_event_source(self) -> bool:
        # Segment: events come from another service's cloud, not from a library.
        return self.type is SourceType.LIVELIKE

    def instructions(self, *, write_key: str, slug: str, endpoint: str) -> str:
        filled = self.setup.replace("{write_key}", write_key).replace("{slug}", slug)
        return filled.replace("{endpoint}", endpoint)


# A test runs each set-up as it is printed here, with the unmodified client.
KINDS = (
    SourceKind(
        type=SourceType.LIVELIKE,
        name="LiveLike",
        description=(
            "Badges, quests and rewards that fans earn, from Tifo's own engagement half or from LiveLike's webhooks."
        ),
        categories=("Engagement",),
        setup="""\
# An application of this Tifo, whose client id `tifo app list` shows:
tifo app connect CLIENT_ID --write-key {write_key}

# Or LiveLike's webhooks, to {endpoint}/webhooks/livelike/{slug}:
tifo source webhooks-in {slug} --secret CLIENT_SECRET
""",
    ),
    SourceKind(
        type=SourceType.HTTP,
        name="HTTP API",
        description="Whatever can send JSON over HTTP, in the form of Segment's Tracking API.",
        categories=("Server",),
        setup="""\
curl -u {write_key}: -H 'Content-Type: application/json' {endpoint}/v1/track \\
  -d '{"userId": "fan-1", "event": "Ticket Bought", "properties": {"price": 25}}'
""",
    ),
    SourceKind(
        type=SourceType.JAVASCRIPT,
        name="Javascript (Analytics.js)",
        description="Web pages, by @segment/analytics-next.",
        categories=("Website",),
        setup="""\
// npm install @segment/analytics-next
import { AnalyticsBrowser } from '@segment/analytics-next'

const endpoint = new URL('{endpoint}')
const analytics = AnalyticsBrowser.load(
  { writeKey: '{write_key}', cdnURL: endpoint.origin },
  {
    integrations: {
      'Segment.io': { apiHost: endpoint.host + '/v1', protocol: endpoint.protocol.slice(0, -1) },
    },
  },
)
analytics.track('Ticket Bought', { price: 25 })
""",
    ),
    SourceKind(
        type=SourceType.NODE,
        name="Node.js",
        description="Node.js servers, by @segment/analytics-node.",
        categories=("Server",),
        setup="""\
// npm install @segment/analytics-node
import { Analytics } from '@segment/analytics-node'

const analytics = new Analytics({ writeKey: '{write_key}', host: '{endpoint}' })
analytics.track({ userId: 'fan-1', event: 'Ticket Bought', properties: { price: 25 } })
await analytics.closeAndFlush()
""",
    ),
    SourceKind(
        type=SourceType.PYTHON,
        name="Python",
        description="Python programs, by segment-analytics-python.",
        categories=("Server",),
        setup="""\
# pip install segment-analytics-python
import segment.analytics as analytics

analytics.write_key = "{write_key}"
analytics.host = "{endpoint}"
analytics.track("fan-1", "Ticket Bought", {"price": 25})
analytics.shutdown()
""",
    ),
    SourceKind(
        type=SourceType.RUDDER_NODE,
        name="RudderStack Node.js",
        description="Node.js servers, by @rudderstack/rudder-sdk-node.",
        categories=("Server",),
        setup="""\
// npm install @rudderstack/rudder-sdk-node
import Analytics from '@rudderstack/rudder-sdk-node'

const analytics = new Analytics('{write_key}', { dataPlaneUrl: '{endpoint}', gzip: true })
analytics.track({ userId: 'fan-1', event: 'Ticket Bought', properties: { price: 25 } })
await analytics.flush()
""",
    ),
    SourceKind(
        type=SourceType.RUDDER_PYTHON,
        name="RudderStack Python",
        description="Python programs, by rudder-sdk-python.",
        categories=("Server",),
        setup="""\
# pip install rudder-sdk-python
import rudderstack.analytics as analytics

analytics.write_key = "{write_key}"
analytics.dataPlaneUrl = "{endpoint}"
analytics.track("fan-1", "Ticket Bought", {"price": 25})
analytics.flush()
""",
    ),
)


def kind_of(name: str) -> SourceKind:
    """Raises `NotFound`."""
    for kind in KINDS:
        if kind.id == name:
            return kind
    known = ", ".join(kind.id for kind in KINDS)
    raise NotFound(f"There is no kind of source {name!r:.100}. Known are {known}.", field="metadataId")

"""A request with this body registers a webhook subscriber."""

from typing import Annotated

import msgspec

from tifo.kernel.ids import ClientId
from tifo.livelike.inputs.fields import Address, Name, Several


class WebhookInput(msgspec.Struct, frozen=True):
    """Without `events` the subscriber gets all six; without `secret` the application's client secret signs them."""

    target_url: Address
    client_id: ClientId | None = None
    events: Several[Name] = ()
    # LiveLike signs with the client secret. Whoever knows that can also make fans' tokens, so another is possible.
    secret: Annotated[str, msgspec.Meta(min_length=16, max_length=255)] | None = None

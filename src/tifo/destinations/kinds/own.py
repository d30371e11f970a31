"""Lists Tifo's own kinds. To add one, put its module into this folder and its object into `OWN_KINDS`.

It imports every client library that the kinds use, so import it only when somebody asks for a kind.
"""

from collections.abc import Sequence

from tifo.destinations.kinds.files import Files
from tifo.destinations.kinds.function import Function
from tifo.destinations.kinds.kafka import Kafka
from tifo.destinations.kinds.segment import Forwarder
from tifo.destinations.kinds.webhook import Webhook
from tifo.destinations.ports import Kind

OWN_KINDS: Sequence[Kind] = (Webhook(), Forwarder(), Files(), Kafka(), Function())

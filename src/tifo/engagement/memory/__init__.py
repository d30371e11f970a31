"""In-memory twins of engagement's contracts: engine, queries, access, audit, recorded actions and images.

They run the real rules over dictionaries, for tests and for trying a game out. Nothing is durable. Twins that share
one `InMemoryState` see the same applications, as the SQL implementations on one database do.
"""

from tifo.engagement.memory.access import InMemoryAccess
from tifo.engagement.memory.audit import InMemoryLedgerAudit
from tifo.engagement.memory.engine import InMemoryEngine
from tifo.engagement.memory.images import InMemoryImages
from tifo.engagement.memory.ledger_trace import InMemoryLedgerTrace
from tifo.engagement.memory.queries import InMemoryQueries
from tifo.engagement.memory.recorded import InMemoryRecordedActions
from tifo.engagement.memory.state import ApplicationState, InMemoryState

__all__ = [
    "ApplicationState",
    "InMemoryAccess",
    "InMemoryEngine",
    "InMemoryImages",
    "InMemoryLedgerAudit",
    "InMemoryLedgerTrace",
    "InMemoryQueries",
    "InMemoryRecordedActions",
    "InMemoryState",
]

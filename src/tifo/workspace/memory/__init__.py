"""In-memory twins of the workspace's contracts, for tests. They follow the same rules as the SQL implementations."""

from tifo.workspace.memory.alerts import InMemoryAlerts
from tifo.workspace.memory.catalog import InMemoryCatalog
from tifo.workspace.memory.destinations import InMemoryDestinations
from tifo.workspace.memory.state import InMemoryWorkspaceState
from tifo.workspace.memory.tokens import InMemoryWorkspaceTokens
from tifo.workspace.memory.warehouses import InMemoryWarehouses

__all__ = [
    "InMemoryAlerts",
    "InMemoryCatalog",
    "InMemoryDestinations",
    "InMemoryWarehouses",
    "InMemoryWorkspaceState",
    "InMemoryWorkspaceTokens",
]

"""The contracts for the workspace as one whole: it is read, planned against and changed in one piece."""

from collections.abc import Mapping
from typing import Protocol

from tifo.workspace.text import Workspace, WorkspaceText


class WorkspaceState(Protocol):
    """Methods block. `urls` holds the address of each warehouse that a file makes, by the warehouse's name."""

    def read(self) -> Workspace:
        """Returns sources, warehouses, selections, plans, controls and destinations as of one moment."""

    def rehearse(self, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool) -> None:
        """Raises what `apply` would raise, and changes nothing."""

    def apply(self, planned: Workspace, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool) -> None:
        """Applies all of the file or nothing.

        Raises `Conflict` where the workspace is no longer the one that was `planned` for, and what the rules of
        sources, warehouses, plans and destinations raise.
        """

"""Holds what most of Tifo's own kinds have in common."""

from collections.abc import Collection, Sequence

from tifo.destinations.ports import CALLS, Action, ActionMapping, Settings


class OwnKind:
    """Holds defaults: every type of call, no mappings, and nothing that runs on the machine that delivers."""

    handles = CALLS
    local = False
    actions: Sequence[Action] = ()
    presets: Sequence[ActionMapping] = ()
    automatic: Sequence[ActionMapping] = ()

    def handled(self, settings: Settings) -> Collection[str]:  # noqa: ARG002 (the kind's contract)
        return self.handles

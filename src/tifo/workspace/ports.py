"""The contracts for the workspace as one whole: it is read, planned against and changed in one piece."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tifo.kernel.ids import ClientId, DestinationId, LogPosition, SourceId, TrackingPlanId
from tifo.tracking.plans.model import Controls, PlanType, Rule, TrackingPlan
from tifo.workspace.alerts import Alert
from tifo.workspace.destinations import ConnectedDestination, DestinationChange
from tifo.workspace.engagement import ConnectedApplication, IncomingWebhooks, WebhookSubscription
from tifo.workspace.model import Source, SourceChange, WriteKey
from tifo.workspace.rules import UsedNames
from tifo.workspace.sync import Selection
from tifo.workspace.text.document import WorkspaceText
from tifo.workspace.warehouses import ConnectedWarehouse, WarehouseKind


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """All of a workspace as of one moment, secrets in the clear."""

    sources: tuple[Source, ...]
    warehouses: tuple[ConnectedWarehouse, ...]
    selections: Mapping[tuple[SourceId, str], Selection]
    plans: tuple[TrackingPlan, ...] = ()
    # None: the source has no plan. A source that is not here has the plan that its kind comes with.
    plan_connections: Mapping[SourceId, TrackingPlanId | None] = field(default_factory=dict)
    controls: Mapping[SourceId, Controls] = field(default_factory=dict)
    destinations: tuple[ConnectedDestination, ...] = ()
    applications: tuple[ConnectedApplication, ...] = ()
    incoming: Mapping[SourceId, IncomingWebhooks] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()

    def slugs(self) -> dict[SourceId, str]:
        return {source.id: source.slug for source in self.sources}

    def destination_keys(self) -> dict[str, ConnectedDestination]:
        """Returns destinations by `<source's slug>/<name>`; those of deleted sources have no key."""
        slugs = self.slugs()
        known = [each for each in self.destinations if each.source_id in slugs]
        return {f"{slugs[each.source_id]}/{each.name}": each for each in known}

    def slugs_by_key(self) -> dict[str, str]:
        """Returns the slugs of sources by each of their write keys."""
        return {key: source.slug for source in self.sources for key in source.write_keys}


class WorkspaceState(Protocol):
    """Reads and changes the workspace as one whole. Methods block.

    `urls` holds the address of each warehouse that a file makes, by the warehouse's name.
    """

    def read(self) -> Workspace:
        """Returns sources, warehouses, selections, plans, controls and destinations as of one moment."""

    def rehearse(self, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool) -> None:
        """Raises what `apply` would raise, and changes nothing."""

    def apply(self, planned: Workspace, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool) -> None:
        """Applies all of the file or nothing.

        Raises `Conflict` where the workspace is no longer the one that was `planned` for, and what the rules of
        sources, warehouses, plans and destinations raise.
        """


class WorkspaceWriter(Protocol):
    """The writes of one transaction, which a `WorkspaceState` gives to `text.apply.apply_text`.

    Each raises what the like-named method of `Catalog`, `Warehouses`, `TrackingPlans` or `Destinations` raises; the
    transaction is rolled back then.
    """

    def used_names(self) -> UsedNames: ...
    def source(self, source_id: SourceId) -> Source: ...
    def insert_source(self, source: Source) -> Source: ...
    def change_source(self, source_id: SourceId, change: SourceChange) -> Source: ...
    def add_keys(self, source_id: SourceId, keys: Sequence[WriteKey]) -> None: ...
    def delete_source(self, source_id: SourceId) -> None: ...
    def put_selection(self, source_id: SourceId, warehouse: str, selection: Selection) -> None: ...

    def warehouse_names(self) -> Collection[str]:
        """Returns the names of the connected warehouses, without the built-in one."""

    def insert_warehouse(self, name: str, kind: WarehouseKind, url: str) -> None: ...
    def change_warehouse(self, name: str, *, enabled: bool, source_ids: Collection[SourceId] | None) -> None: ...
    def delete_warehouse(self, name: str) -> None: ...

    def insert_plan(
        self, name: str, plan_type: PlanType, description: str, plan_rules: Sequence[Rule]
    ) -> TrackingPlanId: ...
    def change_plan(self, plan_id: TrackingPlanId, description: str, plan_rules: Sequence[Rule]) -> None: ...
    def delete_plan(self, plan_id: TrackingPlanId) -> None:
        """Leaves the sources that are connected to it without a plan."""

    def connect_plan(self, source_id: SourceId, plan_id: TrackingPlanId | None) -> None: ...
    def put_controls(self, source_id: SourceId, controls: Controls) -> None: ...

    def insert_destination(
        self, made: ConnectedDestination, *, start: LogPosition, secret: Collection[str]
    ) -> None: ...
    def change_destination(
        self, destination_id: DestinationId, change: DestinationChange, *, secret: Collection[str]
    ) -> None: ...
    def delete_destination(self, destination_id: DestinationId) -> None: ...

    def insert_application(self, client_id: ClientId, name: str, client_secret: str) -> None:
        """Makes an application with its default program, and without a token."""

    def change_application(self, client_id: ClientId, name: str, client_secret: str) -> None: ...
    def connect_application(self, client_id: ClientId, write_key: str, endpoint: str | None) -> None: ...
    def put_webhooks(self, client_id: ClientId, webhooks: Sequence[WebhookSubscription]) -> None:
        """Makes these the application's subscribers. One with the same address and events stays, with all it has."""

    def put_incoming(self, incoming: IncomingWebhooks) -> None: ...

    def insert_alert(self, alert: Alert) -> None: ...
    def change_alert(self, alert: Alert) -> None:
        """Changes the alert with this id. Its state stays."""

    def delete_alert(self, alert_id: str) -> None: ...


class EngagementPart(Protocol):
    """The part of an in-memory workspace that rooms above this one hold: applications and webhooks."""

    def applications(self) -> Sequence[ConnectedApplication]: ...
    def incoming(self) -> Mapping[SourceId, IncomingWebhooks]: ...
    def insert_application(self, client_id: ClientId, name: str, client_secret: str) -> None: ...
    def change_application(self, client_id: ClientId, name: str, client_secret: str) -> None: ...
    def put_webhooks(self, client_id: ClientId, webhooks: Sequence[WebhookSubscription]) -> None: ...
    def put_incoming(self, incoming: IncomingWebhooks) -> None: ...
    def snapshot(self) -> Callable[[], None]:
        """Returns a function that restores the present state."""

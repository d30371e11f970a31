"""The workspace as one whole, over the in-memory twins of its parts."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import (
    BEFORE_EVERY_LOG,
    ClientId,
    DestinationId,
    LogPosition,
    NewId,
    SourceId,
    TrackingPlanId,
    uuid7,
)
from tifo.tracking.plans.memory import InMemoryTrackingPlans
from tifo.tracking.plans.model import Controls, PlanType, Rule
from tifo.workspace.alerts import Alert
from tifo.workspace.destinations import ConnectedDestination, DestinationChange, SecretNames
from tifo.workspace.engagement import IncomingWebhooks, WebhookSubscription
from tifo.workspace.memory.alerts import InMemoryAlerts
from tifo.workspace.memory.catalog import InMemoryCatalog
from tifo.workspace.memory.destinations import InMemoryDestinations
from tifo.workspace.memory.warehouses import InMemoryWarehouses
from tifo.workspace.model import Source, SourceChange, WriteKey
from tifo.workspace.ports import EngagementPart, Workspace
from tifo.workspace.rules import UsedNames
from tifo.workspace.sync import Selection
from tifo.workspace.text.apply import ApplyContext, apply_text, check_unchanged
from tifo.workspace.text.document import WorkspaceText
from tifo.workspace.warehouses import WarehouseKind


class InMemoryWorkspaceState:
    """Implements `workspace.ports.WorkspaceState`. The parts may also be used by themselves, as those of SQL may."""

    def __init__(
        self,
        catalog: InMemoryCatalog,
        warehouses: InMemoryWarehouses,
        plans: InMemoryTrackingPlans,
        destinations: InMemoryDestinations,
        *,
        alerts: InMemoryAlerts | None = None,
        engagement: EngagementPart | None = None,
        clock: Clock = system_clock,
        new_id: NewId = uuid7,
        secret_names: SecretNames = lambda _: (),
        start: Callable[[], LogPosition] = lambda: BEFORE_EVERY_LOG,
    ) -> None:
        self._catalog = catalog
        self._warehouses = warehouses
        self._plans = plans
        self._destinations = destinations
        self._alerts = alerts or InMemoryAlerts()
        self._engagement = engagement
        self._clock = clock
        self._new_id = new_id
        self._secret_names = secret_names
        self._start = start

    def read(self) -> Workspace:
        with self._locked():
            return Workspace(
                sources=tuple(self._catalog.sources()),
                warehouses=tuple(self._warehouses.connected()),
                selections=self._catalog.selections(),
                plans=tuple(self._plans.plans()),
                plan_connections=self._plans.connections(),
                controls=self._plans.controls(),
                destinations=tuple(self._destinations.all()),
                applications=tuple(self._engagement.applications()) if self._engagement else (),
                incoming=self._engagement.incoming() if self._engagement else {},
                alerts=tuple(alert for alert, _ in self._alerts.all()),
            )

    def rehearse(self, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool) -> None:
        with self._locked():
            restore = self._snapshot()
            try:
                self._run(wanted, urls, prune=prune)
            finally:
                restore()

    def apply(self, planned: Workspace, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool) -> None:
        with self._locked():
            check_unchanged(self.read(), planned)
            restore = self._snapshot()
            try:
                writer = self._run(wanted, urls, prune=prune)
            except BaseException:
                restore()
                raise
            # Only now: a delivery of a destination that is rolled back must not begin.
            writer.announce()

    def _run(self, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool) -> "_InMemoryWriter":
        writer = _InMemoryWriter(
            self._catalog,
            self._warehouses,
            self._plans,
            self._destinations,
            alerts=self._alerts,
            engagement=self._engagement,
        )
        context = ApplyContext(
            urls=urls, secret_names=self._secret_names, start=self._start(), at=self._clock(), new_id=self._new_id
        )
        apply_text(writer, self.read(), wanted, context, prune=prune)
        return writer

    def _snapshot(self) -> Callable[[], None]:
        engagement = () if self._engagement is None else (self._engagement,)
        parts = (self._catalog, self._warehouses, self._plans, self._destinations, self._alerts, *engagement)
        restores = [part.snapshot() for part in parts]

        def restore() -> None:
            for each in restores:
                each()

        return restore

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # Always in this order: two calls that lock in different orders would wait for each other.
        with self._destinations.lock, self._plans.lock, self._warehouses.lock, self._catalog.lock:
            yield


class _InMemoryWriter:
    """Implements `workspace.ports.WorkspaceWriter`. Its maker restores the state where a write raises."""

    def __init__(
        self,
        catalog: InMemoryCatalog,
        warehouses: InMemoryWarehouses,
        plans: InMemoryTrackingPlans,
        destinations: InMemoryDestinations,
        *,
        alerts: InMemoryAlerts,
        engagement: EngagementPart | None,
    ) -> None:
        self._alerts = alerts
        self._engagement = engagement
        self._warehouses = warehouses
        self._plans = plans
        self._destinations = destinations
        self._catalog = catalog
        self._added: list[tuple[ConnectedDestination, LogPosition]] = []
        self._removed: list[DestinationId] = []

    def announce(self) -> None:
        """Begins and ends deliveries in the twin of the delivery state, once the writes are final."""
        for destination_id in self._removed:
            self._destinations.on_remove(destination_id)
        for made, start in self._added:
            self._destinations.on_add(made, start)

    def used_names(self) -> UsedNames:
        return self._catalog.used_names()

    def source(self, source_id: SourceId) -> Source:
        return next(each for each in self._catalog.sources() if each.id == source_id)

    def insert_source(self, source: Source) -> Source:
        return self._catalog.put(source)

    def change_source(self, source_id: SourceId, change: SourceChange) -> Source:
        return self._catalog.change_source(source_id, change)

    def add_keys(self, source_id: SourceId, keys: Sequence[WriteKey]) -> None:
        self._catalog.add_keys(source_id, keys)

    def delete_source(self, source_id: SourceId) -> None:
        self._catalog.delete_source(source_id)

    def put_selection(self, source_id: SourceId, warehouse: str, selection: Selection) -> None:
        self._catalog.put_selection(source_id, warehouse, selection)

    def warehouse_names(self) -> Collection[str]:
        return [each.name for each in self._warehouses.connected()]

    def insert_warehouse(self, name: str, kind: WarehouseKind, url: str) -> None:
        self._warehouses.add(kind, url, name, None)

    def change_warehouse(self, name: str, *, enabled: bool, source_ids: Collection[SourceId] | None) -> None:
        self._warehouses.change(name, enabled=enabled, source_ids=source_ids)

    def delete_warehouse(self, name: str) -> None:
        self._warehouses.remove(name)

    def insert_plan(
        self, name: str, plan_type: PlanType, description: str, plan_rules: Sequence[Rule]
    ) -> TrackingPlanId:
        return self._plans.create(name, plan_type, description, plan_rules).id

    def change_plan(self, plan_id: TrackingPlanId, description: str, plan_rules: Sequence[Rule]) -> None:
        self._plans.replace_rules(plan_id, plan_rules)
        self._plans.change(plan_id, description=description)

    def delete_plan(self, plan_id: TrackingPlanId) -> None:
        self._plans.delete(plan_id, force=True)

    def connect_plan(self, source_id: SourceId, plan_id: TrackingPlanId | None) -> None:
        self._plans.connect(source_id, plan_id)

    def put_controls(self, source_id: SourceId, controls: Controls) -> None:
        self._plans.control(source_id, controls)

    def insert_destination(self, made: ConnectedDestination, *, start: LogPosition, secret: Collection[str]) -> None:
        del secret  # memory encrypts nothing
        self._added.append((self._destinations.insert(made), start))

    def change_destination(
        self, destination_id: DestinationId, change: DestinationChange, *, secret: Collection[str]
    ) -> None:
        self._destinations.change(destination_id, change, secret=secret)

    def delete_destination(self, destination_id: DestinationId) -> None:
        self._destinations.delete(destination_id)
        self._removed.append(destination_id)

    def insert_application(self, client_id: ClientId, name: str, client_secret: str) -> None:
        self._beside().insert_application(client_id, name, client_secret)

    def change_application(self, client_id: ClientId, name: str, client_secret: str) -> None:
        self._beside().change_application(client_id, name, client_secret)

    def connect_application(self, client_id: ClientId, write_key: str, endpoint: str | None) -> None:
        self._catalog.connect(client_id, write_key, endpoint)

    def put_webhooks(self, client_id: ClientId, webhooks: Sequence[WebhookSubscription]) -> None:
        self._beside().put_webhooks(client_id, webhooks)

    def put_incoming(self, incoming: IncomingWebhooks) -> None:
        self._beside().put_incoming(incoming)

    def insert_alert(self, alert: Alert) -> None:
        self._alerts.add(alert)

    def change_alert(self, alert: Alert) -> None:
        self._alerts.change(alert)

    def delete_alert(self, alert_id: str) -> None:
        self._alerts.remove(alert_id)

    def _beside(self) -> EngagementPart:
        assert self._engagement is not None, "made without applications and webhooks"  # noqa: S101 (a twin for tests)
        return self._engagement

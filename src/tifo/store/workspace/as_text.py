"""Reads the workspace as one whole on SQL, and applies a file to it in one transaction."""

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from tifo.kernel.clock import Clock
from tifo.kernel.ids import BEFORE_EVERY_LOG, ClientId, DestinationId, LogPosition, NewId, SourceId, TrackingPlanId
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import without_nul
from tifo.store.sql.database import Database
from tifo.store.workspace import alerts, catalog, destinations, engagement, plans, warehouses
from tifo.store.workspace.vault import Vault
from tifo.tracking.plans.model import Controls, PlanType, Rule
from tifo.workspace.alerts import Alert
from tifo.workspace.destinations import ConnectedDestination, DestinationChange, SecretNames
from tifo.workspace.engagement import IncomingWebhooks, WebhookSubscription
from tifo.workspace.model import Source, SourceChange, WriteKey
from tifo.workspace.ports import Workspace
from tifo.workspace.rules import UsedNames
from tifo.workspace.sync import Selection
from tifo.workspace.text.apply import ApplyContext, apply_text, check_unchanged
from tifo.workspace.text.document import WorkspaceText
from tifo.workspace.warehouses import WarehouseKind


class SqlWorkspace:
    """Implements `workspace.ports.WorkspaceState`.

    `secret_names` returns the settings of a kind of destination that are encrypted; `start` the position of the event
    log after which a new destination begins.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        new_id: NewId,
        vault: Vault,
        *,
        secret_names: SecretNames = lambda _: (),
        start: Callable[[], LogPosition] = lambda: BEFORE_EVERY_LOG,
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._vault = vault
        self._secret_names = secret_names
        self._start = start

    def read(self) -> Workspace:
        with self._database.reading() as connection:
            return _read(connection, self._vault)

    def rehearse(self, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool) -> None:
        with contextlib.suppress(_RolledBack), self._database.writing() as connection:
            self._run(connection, _read(connection, self._vault), wanted, urls, prune=prune)
            # The rehearsal runs the same writes: whatever the database would refuse is found before the real run.
            raise _RolledBack

    def apply(self, planned: Workspace, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool) -> None:
        with self._database.writing() as connection:
            now = _read(connection, self._vault)
            # Under the write lock: what the plan was shown for is what is changed.
            check_unchanged(now, planned)
            self._run(connection, now, wanted, urls, prune=prune)

    def _run(
        self, connection: Connection, now: Workspace, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool
    ) -> None:
        at = self._clock()
        writer = _SqlWriter(connection, self._vault, at, self._new_id)
        context = ApplyContext(
            urls=urls, secret_names=self._secret_names, start=self._start(), at=at, new_id=self._new_id
        )
        apply_text(writer, now, wanted, context, prune=prune)


class _RolledBack(Exception):
    """Ends a rehearsal: the transaction is rolled back."""


class _SqlWriter:
    """Implements `workspace.ports.WorkspaceWriter`."""

    def __init__(self, connection: Connection, vault: Vault, at: datetime, new_id: NewId) -> None:
        self._connection = connection
        self._vault = vault
        self._at = at
        self._new_id = new_id

    def used_names(self) -> UsedNames:
        return catalog.used_names(self._connection)

    def insert_source(self, source: Source) -> Source:
        return catalog.insert_source(self._connection, source)

    def change_source(self, source_id: SourceId, change: SourceChange) -> Source:
        return catalog.change_source(self._connection, source_id, change)

    def add_keys(self, source_id: SourceId, keys: Sequence[WriteKey]) -> None:
        catalog.add_keys(self._connection, source_id, keys)

    def delete_source(self, source_id: SourceId) -> None:
        catalog.delete_source(self._connection, source_id, at=self._at, force=False)

    def put_selection(self, source_id: SourceId, warehouse: str, selection: Selection) -> None:
        catalog.put_selection(self._connection, source_id, warehouse, selection)

    def warehouse_names(self) -> Collection[str]:
        return warehouses.warehouse_names(self._connection)

    def insert_warehouse(self, name: str, kind: WarehouseKind, url: str) -> None:
        warehouses.insert_warehouse(self._connection, kind, url, name, None, at=self._at)

    def change_warehouse(self, name: str, *, enabled: bool, source_ids: Collection[SourceId] | None) -> None:
        sources = warehouses.sources_text(source_ids)
        warehouses.change_warehouse(self._connection, name, enabled=enabled, sources=sources)

    def delete_warehouse(self, name: str) -> None:
        warehouses.delete_warehouse(self._connection, name)

    def insert_plan(
        self, name: str, plan_type: PlanType, description: str, plan_rules: Sequence[Rule]
    ) -> TrackingPlanId:
        made_id = TrackingPlanId(self._new_id())
        plans.insert_plan(
            self._connection, made_id, name, plan_type, description=description, rules=plan_rules, at=self._at
        )
        return made_id

    def change_plan(self, plan_id: TrackingPlanId, description: str, plan_rules: Sequence[Rule]) -> None:
        values = {"description": without_nul(description), "rules": plans.rules_text(plan_rules)}
        plans.change_plan(self._connection, plan_id, values, at=self._at)

    def delete_plan(self, plan_id: TrackingPlanId) -> None:
        plans.delete_plan(self._connection, plan_id, force=True)

    def connect_plan(self, source_id: SourceId, plan_id: TrackingPlanId | None) -> None:
        plans.connect_plan(self._connection, source_id, plan_id)

    def put_controls(self, source_id: SourceId, controls: Controls) -> None:
        plans.put_controls(self._connection, source_id, controls)

    def insert_destination(self, made: ConnectedDestination, *, start: LogPosition, secret: Collection[str]) -> None:
        destinations.insert_destination(self._connection, self._vault, made, start=start, secret=secret)

    def change_destination(
        self, destination_id: DestinationId, change: DestinationChange, *, secret: Collection[str]
    ) -> None:
        destinations.change_destination(self._connection, self._vault, destination_id, change, secret=secret)

    def delete_destination(self, destination_id: DestinationId) -> None:
        destinations.delete_destination(self._connection, destination_id)

    def source(self, source_id: SourceId) -> Source:
        return catalog.read_source(self._connection, source_id)

    def insert_application(self, client_id: ClientId, name: str, client_secret: str) -> None:
        engagement.make_application(self._connection, client_id, name, client_secret, at=self._at, new_id=self._new_id)

    def change_application(self, client_id: ClientId, name: str, client_secret: str) -> None:
        engagement.change_application(self._connection, client_id, name, client_secret)

    def connect_application(self, client_id: ClientId, write_key: str, endpoint: str | None) -> None:
        catalog.connect(self._connection, client_id, write_key, endpoint)

    def put_webhooks(self, client_id: ClientId, webhooks: Sequence[WebhookSubscription]) -> None:
        engagement.put_webhooks(self._connection, client_id, webhooks, at=self._at, new_id=self._new_id)

    def put_incoming(self, incoming: IncomingWebhooks) -> None:
        engagement.put_incoming(self._connection, incoming)

    def insert_alert(self, alert: Alert) -> None:
        alerts.insert_alert(self._connection, alert)

    def change_alert(self, alert: Alert) -> None:
        alerts.change_alert(self._connection, alert)

    def delete_alert(self, alert_id: str) -> None:
        alerts.delete_alert(self._connection, alert_id)


def _read(connection: Connection, vault: Vault) -> Workspace:
    rows = connection.execute(select(t.selections.c.source_id, t.selections.c.warehouse)).all()
    places = [(SourceId(row.source_id), row.warehouse) for row in rows]
    return Workspace(
        sources=tuple(catalog.read_sources(connection)),
        warehouses=tuple(warehouses.read_warehouses(connection)),
        selections={place: catalog.read_selection(connection, *place) for place in places},
        plans=tuple(plans.read_plans(connection)),
        plan_connections=plans.read_plan_connections(connection),
        controls=plans.read_controls(connection),
        destinations=tuple(destinations.read_destinations(connection, vault)),
        applications=tuple(engagement.read_applications(connection)),
        incoming=engagement.read_incoming(connection),
        alerts=tuple(alert for alert, _ in alerts.read_alerts(connection)),
    )

"""The workspace as text, applied to the state: all of a file in one transaction."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select

from tifo.kernel.clock import Clock, to_iso
from tifo.kernel.errors import Conflict, Rejected
from tifo.kernel.ids import DestinationId, NewId, Position, SourceId, TrackingPlanId
from tifo.kernel.json import JsonObject
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database
from tifo.store.sql.upserts import plain
from tifo.store.workspace import catalog, destinations, plans, warehouses
from tifo.store.workspace.vault import Vault
from tifo.tracking.filters import Filter, FilterAction, read_filters
from tifo.tracking.plans.model import BUILT_IN_PLAN, NO_PLAN, PlanType
from tifo.workspace import rules
from tifo.workspace.destinations import ConnectedDestination, DestinationChange
from tifo.workspace.model import Source, SourceChange, SourceType, WriteKey
from tifo.workspace.sync import EVERYTHING, Override, with_overrides
from tifo.workspace.text import (
    Change,
    DestinationText,
    PlanText,
    SecretNames,
    SourceText,
    Verb,
    WarehouseText,
    Workspace,
    WorkspaceText,
    changes,
    controls_of,
    describe,
)
from tifo.workspace.warehouses import WarehouseKind, every_warehouse


class SqlWorkspace:
    """`secret_names` says which settings of a kind of destination are secrets; `start` is after which position of the
    event log a new one begins.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        new_id: NewId,
        vault: Vault,
        *,
        secret_names: SecretNames = lambda _: (),
        start: Callable[[], Position] = lambda: Position(0),
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
        """Does all that `apply` does, and takes it back: raises what that would raise."""
        with contextlib.suppress(_TakenBack), self._database.writing() as connection:
            self._run(connection, _read(connection, self._vault), wanted, urls, prune=prune)
            raise _TakenBack

    def apply(self, planned: Workspace, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool) -> None:
        """All of it, or nothing. Raises `Conflict` where the workspace is not what was planned for any more. `urls` are
        the addresses of the warehouses to make.
        """
        with self._database.writing() as connection:
            now = _read(connection, self._vault)
            if now != planned:
                raise Conflict("The workspace was changed meanwhile. Nothing is applied: plan again.")
            self._run(connection, now, wanted, urls, prune=prune)

    def _run(
        self, connection: Connection, now: Workspace, wanted: WorkspaceText, urls: Mapping[str, str], *, prune: bool
    ) -> None:
        applying = _Applying(connection, now, wanted, urls=urls, at=self._clock(), new_id=self._new_id)
        applying.run(prune=prune)
        given = _Destinations(
            connection, now, self._vault, self._secret_names, at=self._clock(), new_id=self._new_id, start=self._start()
        )
        for change in applying.made:
            if change.section == "destinations":
                given.apply(change, wanted.destinations, applying.ids)


class _TakenBack(Exception):
    pass


class _Applying:
    """One file, in one transaction."""

    def __init__(
        self,
        connection: Connection,
        now: Workspace,
        wanted: WorkspaceText,
        *,
        urls: Mapping[str, str],
        at: datetime,
        new_id: NewId,
    ) -> None:
        self._connection = connection
        self._wanted = wanted
        self._urls = urls
        self._at = at
        self._new_id = new_id
        self._text = describe(now, secrets=True)
        self.made: Sequence[Change] = ()
        self.ids: dict[str, SourceId] = {source.slug: source.id for source in now.sources}
        self._plan_ids = {plan.name: plan.id for plan in now.plans}

    def run(self, *, prune: bool) -> None:
        self.made = made = changes(self._text, self._wanted, prune=prune)
        for change in made:
            if change.section == "destinations":
                continue  # when the sources are there
            if change.verb is Verb.DELETE:
                self._delete(change.section, change.key)
            elif change.section == "tracking_plans":
                self._plan(change.key, self._wanted.tracking_plans[change.key])
            elif change.section == "sources":
                self._source(change.key, self._wanted.sources[change.key])
            else:
                self._warehouse(change.key, self._wanted.warehouses[change.key])
        for change in made:
            if change.verb is not Verb.DELETE and change.section == "sources":
                self._select(change.key, self._wanted.sources[change.key])
                self._control(change.key, self._wanted.sources[change.key])

    def _plan(self, name: str, text: PlanText) -> None:
        rules = [rule.as_rule() for rule in text.rules]
        if name in self._plan_ids:
            values = {"description": plain(text.description), "rules": plans.rules_text(rules)}
            plans.change_plan(self._connection, self._plan_ids[name], values, at=self._at)
            return
        made_id = TrackingPlanId(self._new_id())
        made = plans.insert_plan(
            self._connection,
            made_id,
            name,
            PlanType(text.type),
            description=text.description,
            rules=rules,
            at=self._at,
        )
        self._plan_ids[name] = made.id

    def _control(self, slug: str, text: SourceText) -> None:
        """Its plan, and what becomes of events that are not as planned."""
        source_id = self.ids[slug]
        if text.tracking_plan is not None:
            plans.connect_plan(self._connection, source_id, self._plan_id(text.tracking_plan))
        if text.schema_controls is not None:
            plans.put_controls(self._connection, source_id, controls_of(text.schema_controls, self._id))

    def _plan_id(self, name: str) -> TrackingPlanId | None:
        if name == NO_PLAN:
            return None
        if name == BUILT_IN_PLAN:
            return BUILT_IN_PLAN
        if name not in self._plan_ids:
            raise Rejected(
                f"There is no tracking plan {name!r:.100}. Add it under tracking_plans.", field="tracking_plan"
            )
        return self._plan_ids[name]

    def _source(self, slug: str, text: SourceText) -> None:
        change = SourceChange(name=text.name, schema=text.schema)
        if slug in self.ids:
            source = catalog.change_source(self._connection, self.ids[slug], change)
        else:
            source = self._new_source(slug, text)
        missing = [key for key in text.write_keys if key not in source.write_keys]
        source = replace(source, keys=(*source.keys, *(WriteKey(key, self._at) for key in missing)))
        catalog.add_keys(self._connection, source.id, source.keys[len(source.keys) - len(missing) :])
        catalog.change_source(self._connection, source.id, SourceChange(enabled=text.enabled))

    def _new_source(self, slug: str, text: SourceText) -> Source:
        """With the keys that the file gives, or else with one that is made."""
        taken = catalog.taken(self._connection)
        source = rules.new_source(
            text.name,
            SourceType(text.type),
            source_id=SourceId(self._new_id()),
            at=self._at,
            taken=taken,
            slug=slug,
        )
        if text.schema is not None:
            source = rules.changed(source, SourceChange(schema=text.schema), taken)
        if text.write_keys:
            source = replace(source, keys=())
        self.ids[slug] = source.id
        return catalog.insert_source(self._connection, replace(source, enabled=False))

    def _warehouse(self, name: str, text: WarehouseText) -> None:
        ids = None if text.sources is None else [self._id(slug) for slug in text.sources]
        if name not in self._text.warehouses:
            kind, url = WarehouseKind(text.kind), self._urls[name]
            warehouses.insert_warehouse(self._connection, kind, url, name, ids, at=self._at)
        sources = warehouses.sources_text(ids)
        warehouses.change_warehouse(self._connection, name, enabled=text.enabled, sources=sources)

    def _select(self, slug: str, text: SourceText) -> None:
        every = every_warehouse(warehouses.read_warehouses(self._connection))
        source_id, known = self.ids[slug], {warehouse.name for warehouse in every}
        for warehouse in text.not_loaded.keys() - known:
            raise Rejected(f"sources.{slug}.not_loaded: there is no warehouse {warehouse!r:.100}.", field="not_loaded")
        for warehouse in known:
            overrides = [_off(place) for place in text.not_loaded.get(warehouse, ())]
            selection = with_overrides(EVERYTHING, overrides)
            catalog.put_selection(self._connection, source_id, warehouse, selection)

    def _delete(self, section: str, key: str) -> None:
        if section == "warehouses":
            warehouses.delete_warehouse(self._connection, key)
        elif section == "tracking_plans":
            plans.delete_plan(self._connection, self._plan_ids[key], force=True)
        else:
            catalog.delete_source(self._connection, self.ids[key], at=self._at, force=False)

    def _id(self, slug: str) -> SourceId:
        if slug not in self.ids:
            raise rules.no_source(slug)
        return self.ids[slug]


class _Destinations:
    """A file's destinations, their settings complete and checked."""

    def __init__(
        self,
        connection: Connection,
        now: Workspace,
        vault: Vault,
        secret_names: SecretNames,
        *,
        at: datetime,
        new_id: NewId,
        start: Position,
    ) -> None:
        self._connection = connection
        self._known = now.destination_keys()
        self._vault = vault
        self._secret_names = secret_names
        self._at = at
        self._new_id = new_id
        self._start = start

    def apply(self, change: Change, wanted: Mapping[str, DestinationText], ids: Mapping[str, SourceId]) -> None:
        if change.verb is Verb.DELETE:
            destinations.delete_destination(self._connection, self._known[change.key].id)
            return
        text, old = wanted[change.key], self._known.get(change.key)
        secret = self._secret_names(text.kind)
        slug, _, name = change.key.partition("/")
        if old is not None:
            made = DestinationChange(
                enabled=text.enabled,
                settings=text.settings,
                choice=text.events,
                filters=self._filters(text, old),
                mappings=self._mappings(text, old),
            )
            destinations.change_destination(self._connection, self._vault, old.id, made, secret=secret)
            return
        if slug not in ids:
            raise rules.no_source(slug)
        new = ConnectedDestination(
            DestinationId(self._new_id()),
            name,
            text.kind,
            ids[slug],
            text.settings,
            self._at,
            text.enabled,
            tuple(self._mappings(text, None) or ()),
            tuple(self._filters(text, None) or ()),
            text.events or {},
        )
        destinations.insert_destination(self._connection, self._vault, new, start=self._start, secret=secret)

    def _filters(self, text: DestinationText, old: ConnectedDestination | None) -> list[JsonObject] | None:
        """Those of a title that is there keep their id."""
        if text.filters is None:
            return None
        known = {each.title: each.id for each in read_filters(old.filters if old else ())}
        at = to_iso(self._at)
        filters = [
            Filter(
                id=known.get(each.title) or self._new_id(),
                if_=each.when,
                actions=msgspec.convert(list(each.actions), list[FilterAction]),
                title=each.title,
                description=each.description,
                enabled=each.enabled,
                created_at=at,
                updated_at=at,
            )
            for each in text.filters
        ]
        told: list[JsonObject] = msgspec.to_builtins(filters)
        return told

    def _mappings(self, text: DestinationText, old: ConnectedDestination | None) -> list[JsonObject] | None:
        if text.mappings is None:
            return None
        known = {str(each["name"]): each["id"] for each in (old.mappings if old else ())}
        return [
            {
                "id": known.get(each.name) or self._new_id(),
                "name": each.name,
                "action": each.action,
                "trigger": each.trigger,
                "mapping": each.mapping,
                "enabled": each.enabled,
            }
            for each in text.mappings
        ]


def _off(place: str) -> Override:
    table, _, column = place.partition(".")
    return Override(table, column or None, enabled=False)


def _read(connection: Connection, vault: Vault) -> Workspace:
    rows = connection.execute(select(t.selections.c.source_id, t.selections.c.warehouse)).all()
    places = [(SourceId(row.source_id), row.warehouse) for row in rows]
    return Workspace(
        tuple(catalog.read_sources(connection)),
        tuple(warehouses.read_warehouses(connection)),
        {place: catalog.read_selection(connection, *place) for place in places},
        tuple(plans.read_plans(connection)),
        plans.read_plan_connections(connection),
        plans.read_controls(connection),
        tuple(destinations.read_destinations(connection, vault)),
    )

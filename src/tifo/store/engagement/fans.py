"""Loads fans. An engine remembers the fans that it saw last, and asks whether they have changed."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, literal_column, select, update

from tifo.engagement.model import Fan
from tifo.kernel.ids import ProfileId
from tifo.store.engagement.rows import load_fans
from tifo.store.sql.bulk import Lookup
from tifo.store.sql.tables import engagement as t

REMEMBERED = 100_000
"""The most fans, balances, badges, quests and payments that are remembered together: some 50 MB."""

_VERSIONS = Lookup(lambda given: select(t.profiles.c.id, t.profiles.c.version).where(given.among(t.profiles.c.id)))
_LOCKED_VERSIONS = Lookup(
    lambda given: (
        select(t.profiles.c.id, t.profiles.c.version)
        .where(given.among(t.profiles.c.id))
        .order_by(t.profiles.c.id)
        .with_for_update()
    )
)
_RAISE = Lookup(
    lambda given: (
        update(t.profiles)
        .where(given.among(t.profiles.c.id))
        .values(version=t.profiles.c.version + literal_column("1"))
    )
)


class Known(NamedTuple):
    """A fan at one version of the profile's row. Every commit that changes anything of the fan raises the version."""

    version: int
    fan: Fan


class Fans:
    """Remembers fans for one engine. Their versions show whether another process has changed a fan meanwhile."""

    def __init__(self, capacity: int = REMEMBERED) -> None:
        self._capacity = capacity
        self._held = 0
        self._known: OrderedDict[ProfileId, Known] = OrderedDict()

    def load(self, connection: Connection, profile_ids: Collection[str]) -> dict[ProfileId, Known]:
        """Loads fans by id, without unknown ids. On PostgreSQL their rows stay locked until the commit."""
        if not profile_ids:
            return {}
        # Locked before anything else of the fans is read: so what is read stays true until the commit. All lock in one
        # order, so that two writers never wait for one another in a circle.
        asked = _LOCKED_VERSIONS if connection.dialect.name == "postgresql" else _VERSIONS
        found: dict[ProfileId, Known] = {}
        unknown: dict[ProfileId, int] = {}
        for profile_id, version in asked.tuples(connection, ids=profile_ids):
            known = self._known.get(profile_id)
            if known is not None and known.version == version:
                found[profile_id] = known
            else:
                unknown[profile_id] = version
        # Only these are read: most of a busy match's fans are remembered.
        read = load_fans(connection, unknown)
        return found | {profile_id: Known(unknown[profile_id], fan) for profile_id, fan in read.items()}

    def keep(self, seen: Mapping[ProfileId, Known]) -> None:
        """Remembers the fans that a batch has read or changed. Call it after the commit, which makes the versions."""
        for profile_id, known in seen.items():
            # Removed and inserted again, so that the fans seen longest ago come first and are forgotten first.
            before = self._known.pop(profile_id, None)
            if before is not known:
                self._held += _size(known.fan) - (0 if before is None else _size(before.fan))
            self._known[profile_id] = known
        while self._held > self._capacity:
            _, oldest = self._known.popitem(last=False)
            self._held -= _size(oldest.fan)


def raise_versions(
    connection: Connection, changed: Mapping[ProfileId, Fan], before: Mapping[ProfileId, Known]
) -> dict[ProfileId, Known]:
    """Raises the versions of changed fans, whose rows exist by now. Returns them as they are once this is committed."""
    if not changed:
        return {}
    _RAISE.run(connection, ids=changed)
    return {
        profile_id: Known(before[profile_id].version + 1 if profile_id in before else 1, fan)
        for profile_id, fan in changed.items()
    }


def _size(fan: Fan) -> int:
    return 1 + len(fan.balances) + len(fan.badges) + len(fan.payments) + len(fan.user_quests)

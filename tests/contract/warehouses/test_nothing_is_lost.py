"""Any properties come back, leaf by leaf, from the row or from `_discards`."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shards import SHARD
from tifo.delivery.loading.pieces import Piece, prepared
from tifo.delivery.loading.progress import SourceProgress
from tifo.eventlog.ports import Block, consecutive
from tifo.kernel.ids import Position, SourceId
from tifo.tracking.requests import read_messages, read_request
from tifo.warehouses.ports import Load, Warehouse

_AT = datetime(2026, 11, 24, tzinfo=UTC)
_NUMBERS = itertools.count()
_STANDARD = {"uuid_ts", "id", "anonymous_id", "user_id", "event", "event_text"} | {
    "received_at",
    "sent_at",
    "timestamp",
    "original_timestamp",
}
_KEYS = st.sampled_from(["a", "b", "a_b", "A B", "id", "timestamp", "context", "Имя", "🎉", ""]) | st.text(max_size=5)
_TIMES = st.datetimes(min_value=datetime(1, 1, 2)).map(lambda moment: f"{moment.isoformat()}Z")  # noqa: DTZ001 (Z is put after)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
    | _TIMES
    | st.lists(st.integers() | st.text(max_size=3), max_size=3)
)
_OBJECTS = st.dictionaries(
    _KEYS, st.recursive(_LEAVES, lambda inner: st.dictionaries(_KEYS, inner, max_size=3)), max_size=5
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(_OBJECTS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_any_properties_are_recoverable_leaf_by_leaf(
    fresh_warehouse: Callable[[], Warehouse], load: Callable[..., Load], batches: list[list[dict[str, Any]]]
) -> None:
    sent: dict[str, dict[str, Any]] = {}
    warehouse = fresh_warehouse()
    for batch in batches:
        new = {f"m{len(sent) + number}": properties for number, properties in enumerate(batch)}
        warehouse.load([load(len(sent), *new.items())])
        sent |= new
    rows = {row["id"]: row for row in warehouse.query("SELECT * FROM one.goal")}
    has_discards = "_discards" in warehouse.tables("one")
    sql = "SELECT message_id, column_name, value, reason FROM one._discards"
    discards = warehouse.query(sql) if has_discards else []
    for message_id, properties in sent.items():
        row = rows[message_id]
        held = {name: value for name, value in row.items() if name not in _STANDARD and value is not None}
        held |= {str(d["column_name"]): _exact(d) for d in discards if d["message_id"] == message_id}
        assert Counter(map(_meaning, held.values())) == Counter(map(_meaning, _leaves(properties)))


_CALLS = {
    "track": ("goal", ("event",)),
    "identify": ("identifies", ()),
    "page": ("pages", ("name", "category")),
    "screen": ("screens", ("name", "category")),
    "group": ("groups", ("groupId",)),
    "alias": ("aliases", ("previousId",)),
}
_TEXTS = st.sampled_from(["Home", "Überraschung", "", " "]) | st.text(min_size=1, max_size=5)
_MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from([*_CALLS]), "userId": st.just("ada"), "event": st.just("Goal")}
    | {"groupId": st.just("north"), "previousId": st.just("before"), "name": _TEXTS, "category": _TEXTS},
    optional={"properties": _OBJECTS, "traits": _OBJECTS, "context": _OBJECTS},
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(_MESSAGES, min_size=1, max_size=4), min_size=1, max_size=3))
def test_every_call_is_recoverable_leaf_by_leaf(
    fresh_warehouse: Callable[[], Warehouse], batches: list[list[dict[str, Any]]]
) -> None:
    warehouse, cursor = (
        fresh_warehouse(),
        SourceProgress(source_id=SourceId("one"), shard=SHARD, schema="one", committed=Position(0), read=Position(0)),
    )
    sent: dict[str, dict[str, Any]] = {}
    for batch in batches:
        request = read_request("batch", json.dumps({"batch": batch}).encode())
        good, _, _ = read_messages(request, _AT, lambda: f"m{next(_NUMBERS)}")
        if not good:  # an integer beyond 64 bits is refused when it comes
            continue
        bodies = b"".join(message.body + b"\n" for message in good)
        block = Block(consecutive(len(sent) + 1, len(good)), cursor.source_id, _AT, bodies)
        piece = Piece(cursor, [block], Position(len(sent) + len(good)))
        warehouse.load([prepared(piece).load])
        cursor.committed = piece.position
        sent |= {message.message_id: json.loads(message.body) for message in good}
    tables = warehouse.tables("one") if sent else {}
    discards = warehouse.query("SELECT * FROM one._discards") if "_discards" in tables else []
    for message_id, message in sent.items():
        table, fields = _CALLS[message["type"]]
        [row] = [row for row in warehouse.query(f"SELECT * FROM one.{table}") if row["id"] == message_id]
        held: dict[str, Any] = {n: value for n, value in row.items() if n not in _STANDARD and value is not None}
        if table == "goal":
            held["event"] = row["event_text"]
        held |= {
            str(d["column_name"]): _exact(d)
            for d in discards
            if d["message_id"] == message_id and d["table_name"] == table
        }
        expected = [
            *_leaves({field: message[field] for field in ("properties", "traits", "context") if field in message})
        ]
        expected += [message[field] for field in fields if message.get(field) is not None]
        assert Counter(map(_meaning, held.values())) == Counter(map(_meaning, expected)), message


def _exact(discard: dict[str, Any]) -> Any:
    return json.loads(discard["value"]) if "written as JSON" in discard["reason"] else discard["value"]


def _leaves(properties: dict[str, Any]) -> Iterator[Any]:
    for value in properties.values():
        if isinstance(value, dict):
            yield from _leaves(value)
        elif value is not None:
            yield value


def _meaning(value: Any) -> Any:
    """The same for a value and for its text: a column may have become text, and 1 may have become 1.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # The shortest text that reads as the same double, which is the one that a text column has.
        return Fraction(repr(value))
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, list):
        return json.dumps(value)
    return _meaning_of_text(value)


def _meaning_of_text(text: str) -> Any:
    if text.endswith("Z") and "T" in text:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return text
    try:
        parsed = json.loads(text, parse_constant=lambda _: text)
    except ValueError:
        return text
    return _meaning(parsed) if isinstance(parsed, int | float | list) and not isinstance(parsed, bool) else text

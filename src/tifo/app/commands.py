"""What each command does, on the parts that `compose.py` makes. Works whether or not `tifo up` runs.

What only some commands need is imported by them: a command starts three times as quickly without HTTP and the roles.
"""

import contextlib
from typing import Any

from tifo.app import compose
from tifo.app.settings import Settings


def errors(settings: Settings) -> list[dict[str, Any]]:
    """Both kinds in one list: what failed on ingest by code, and each fact that the endpoint refused for good."""
    catalog = compose.catalog_of(compose.open_state(settings))
    slugs = {source.id: source.slug for source in catalog.sources()}
    with contextlib.closing(compose.open_log_reader(settings)) as log:
        refused = [
            {
                "where": "ingest",
                "source": slugs.get(count.source_id, count.source_id),
                "code": count.code,
                "count": count.total,
                "detail": count.detail,
                "sample": None if count.sample is None else count.sample.decode(errors="replace"),
            }
            for count in log.ingest_counts()
            if count.code != "received"
        ]
    facts = compose.facts_of(compose.open_state(settings))
    for connection in catalog.connections():
        refused += [
            {
                "where": "relay",
                "source": connection.client_id,
                "code": str(aside.status),
                "count": 1,
                "detail": aside.answer,
                "sample": aside.fact.id,
            }
            for aside in facts.set_aside_facts(connection.client_id)
        ]
    return refused

"""`tifo log`: the event logs of the nodes that share this state."""

from cyclopts import App

from tifo.app.cli.output import show
from tifo.app.cli.parameters import Data, Json, backend
from tifo.kernel.clock import to_iso

log = App(name="log", help="Event logs: each node has one, and several nodes may share a state.")


@log.command(name="list")
def log_list(*, data: Data = None, json: Json = False) -> None:
    """List the logs, the one seen last first, with the events that wait in each for its readers."""
    from tifo.operations import logs

    with backend(data) as opened:
        now, own = opened.clock(), opened.shard
        rows = [
            {
                "log": each.shard,
                "host": each.host,
                "folder": each.path,
                "open": logs.is_open(each, now),
                "own": each.shard == own,
                "seen_at": to_iso(each.seen_at),
                "waiting": dict(each.backlog),
            }
            for each in logs.listed(opened)
        ]
    show(rows, as_json=json)


@log.command(name="notices")
def log_notices(*, data: Data = None, json: Json = False) -> None:
    """List what happened to the logs: restored folders, and what may be there twice or missing."""
    from tifo.operations import logs

    with backend(data) as opened:
        rows = [{"at": to_iso(each.at), "log": each.shard, "notice": each.text} for each in logs.notices(opened)]
    show(rows, as_json=json)


@log.command(name="forget")
def log_forget(shard: str, /, *, data: Data = None, json: Json = False) -> None:
    """Drop a log that is gone for good: what waited in it is lost, and is not counted as waiting any more."""
    from tifo.operations import logs

    with backend(data) as opened:
        gone = logs.forget(opened, shard)
    show({"forgotten": gone.shard, "host": gone.host, "folder": gone.path}, as_json=json)

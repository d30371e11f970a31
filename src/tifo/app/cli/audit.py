"""`tifo audit`: the proof that ledger = events = warehouse rows."""

from tifo.app.cli.output import show, talk
from tifo.app.cli.parameters import Data, Json, backend

_OK, _DIFFERENT = 0, 1


def audit(*, data: Data = None, json: Json = False) -> int:
    """Prove ledger = events = warehouse rows, and look for every event of the log in each warehouse, by its id.

    Exits with 1 where something is missing or doubled.
    """
    from tifo.operations.audit import run

    with backend(data) as opened:
        verdict = run(opened)
    shown = {
        "ok": verdict.ok,
        "ledger": verdict.ledger,
        "events": verdict.events,
        "rows": verdict.rows,
        "problems": list(verdict.problems),
        "notes": list(verdict.notes),
    }
    show(shown, as_json=json)
    talk.print(f"{verdict.compared:,} events of the log were looked for in the warehouses, by their ids.")
    return _OK if verdict.ok else _DIFFERENT

"""`tifo demo`: plays a match and checks every count."""

import dataclasses
from typing import TYPE_CHECKING

from tifo.app.cli.output import show, show_table, talk
from tifo.app.cli.parameters import Json

if TYPE_CHECKING:
    from tifo.app.demo.run import DemoOutcome


def demo(*, fans: int = 1000, seed: int = 11, json: Json = False) -> int:
    """Play a match on a fresh Tifo and check every count. Exits with 1 where anything differs from the script."""
    from tifo.app.demo.run import run_demo

    outcome = run_demo(fans=fans, seed=seed)
    if json:
        show(dataclasses.asdict(outcome), as_json=True)
    else:
        _show_outcome(outcome)
    return 1 if outcome.differences else 0


def _show_outcome(outcome: "DemoOutcome") -> None:
    show_table(
        [
            {"table": table, "rows": outcome.rows.get(table, 0), "expected": expected}
            for table, expected in sorted(outcome.expected.items())
        ]
    )
    talk.print("\nLeaderboard")
    show_table(outcome.leaders)
    talk.print()
    audited = outcome.audit
    show(
        {
            "audit": "ok" if audited["ok"] else audited["problems"],
            "ledger = events = rows": f"{audited['ledger']} = {audited['events']} = {audited['rows']}",
            "events a second": f"{outcome.events_per_s:,.0f}",
            "action to queryable row": f"median {outcome.median_s:.2f} s, p99 {outcome.p99_s:.2f} s",
            "took": f"{outcome.seconds:.1f} s",
        },
        as_json=False,
    )
    for difference in outcome.differences:
        talk.print(f"DIFFERS  {difference}", style="bold red", markup=False)
    if not outcome.differences:
        talk.print("Everything came out as the script says.", style="bold green")

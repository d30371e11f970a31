"""The rules of play: one command on a state gives a decision, or a rejection.

Sources: LiveLike's documents, and docs/rules.md where they are silent. Every effect of a command passes through a
`Turn`, which collects the new state of its fans, the ledger's rows and the facts, in causal order. A rejection
discards the turn.
"""

from tifo.engagement.rules.deciding import decide
from tifo.engagement.rules.needs import Needs, needs
from tifo.engagement.rules.quest_runs import quest_status

__all__ = ["Needs", "decide", "needs", "quest_status"]

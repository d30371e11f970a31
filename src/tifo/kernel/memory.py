"""Sets how often Python collects garbage."""

import gc

_COLLECT_AFTER = 50_000


def collect_seldom() -> None:
    """Makes Python's garbage collector run seldom."""
    # By default it searches for circles of objects after every 700 new ones, which a few commands make. Large batches
    # spent a fifth of their time there.
    gc.collect()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)

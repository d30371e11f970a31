"""Python's own memory."""

import gc

_COLLECT_AFTER = 50_000


def collect_seldom() -> None:
    """Python looks for circles of objects whenever 700 more are there, which a few actions make: a fifth of the time of
    large batches went there.
    """
    gc.collect()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)

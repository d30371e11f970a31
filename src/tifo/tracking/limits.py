"""Names Segment's limits, and our own that keep one request from slowing down the others."""

# Segment documents a 400 for each of the first three limits. No client splits a refused batch and sends it again, so an
# event over the limit is refused alone, and its neighbours are accepted.
MAX_EVENT_BYTES = 32 * 1024
MAX_BODY_BYTES = 500 * 1024
"""Limit of a request's body, decompressed."""
MAX_COUNTED_BYTES = 4 * MAX_BODY_BYTES
"""A body up to this size is read where the write key is known, to count the events that are refused with it. Ours."""
MAX_SHARED_BYTES = 4 * 1024 * 1024
"""Bytes that a batch's own context and integrations may have in all of its messages together: they become part of each.
Without it a body of 88 KB made 79 MB of events. Ours."""
MAX_BATCH_EVENTS = 2_500
"""The first messages of a batch are accepted; those beyond the limit are refused one by one."""
# Segment says "fewer than 100" on one page, "limited to 100" on another: the wider one refuses nobody.
MAX_MESSAGE_ID = 100
"""In characters."""
# Segment drops the properties beyond the limit. Ours: the event is refused under a code, so that nothing vanishes
# unseen.
MAX_PROPERTIES = 10_000
"""Limit of top-level keys in properties or traits."""
MAX_DEPTH = 64
"""Levels of objects and arrays in one event. Ours."""
SAMPLE_BYTES = 2_048

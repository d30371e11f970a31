"""Names Segment's limits, and our own that keep one request from slowing down the others."""

MAX_EVENT_BYTES = 32 * 1024
MAX_BODY_BYTES = 500 * 1024
"""Limit of a request's body, decompressed."""
MAX_BATCH_EVENTS = 2_500
"""The first ones are accepted; messages beyond the limit are refused one by one."""
MAX_MESSAGE_ID = 100
"""In characters."""
MAX_PROPERTIES = 10_000
"""Top-level keys of properties or traits. Segment drops the excess; we refuse the event, and say so."""
MAX_DEPTH = 64
"""Levels of objects and arrays in one event. Our own limit."""
SAMPLE_BYTES = 2_048

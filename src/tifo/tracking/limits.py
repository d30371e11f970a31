"""Segment's limits, and those that keep one request from hurting the others."""

MAX_EVENT_BYTES = 32 * 1024
MAX_BODY_BYTES = 500 * 1024
"""Of a request, decompressed."""
MAX_BATCH_EVENTS = 2_500
"""Those beyond it are refused one by one; the first ones are taken."""
MAX_MESSAGE_ID = 100
"""In characters."""
MAX_PROPERTIES = 10_000
"""Top-level keys of properties or traits. Segment drops the excess; we refuse the event, and say so."""
MAX_DEPTH = 64
"""Levels of objects and arrays in one event. Ours."""
SAMPLE_BYTES = 2_048

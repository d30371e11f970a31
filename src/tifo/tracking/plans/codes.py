"""Segment's codes for events that a tracking plan keeps out of the log."""

UNPLANNED_EVENT = "unplanned"
SCHEMA_VIOLATION = "schema_violation"
UNPLANNED_AND_SCHEMA_VIOLATION = "unplanned_and_schema_violation"
COMMON_SCHEMA_VIOLATION = "common_schema_violation"
EVENT_SETTING = "event_setting"

FILTERED_AT_SOURCE = frozenset(
    (UNPLANNED_EVENT, SCHEMA_VIOLATION, UNPLANNED_AND_SCHEMA_VIOLATION, COMMON_SCHEMA_VIOLATION, EVENT_SETTING)
)
"""The request is not to blame for these; every other code failed on ingest."""

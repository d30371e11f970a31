"""Names Segment's codes for events that a tracking plan blocks."""

UNPLANNED_EVENT = "unplanned"
SCHEMA_VIOLATION = "schema_violation"
UNPLANNED_AND_SCHEMA_VIOLATION = "unplanned_and_schema_violation"
COMMON_SCHEMA_VIOLATION = "common_schema_violation"
EVENT_SETTING = "event_setting"

FILTERED_AT_SOURCE = frozenset(
    (UNPLANNED_EVENT, SCHEMA_VIOLATION, UNPLANNED_AND_SCHEMA_VIOLATION, COMMON_SCHEMA_VIOLATION, EVENT_SETTING)
)
"""Codes of Segment's step "filtered at source". The request is not at fault; every other code failed on ingest."""

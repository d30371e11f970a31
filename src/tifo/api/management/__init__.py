"""The management API, in the shape of Segment's Public API: one module for each resource. Never moves events."""

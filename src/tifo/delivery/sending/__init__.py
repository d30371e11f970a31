"""Sends the event log to destinations, each with its own cursor, retries and dead letters. It knows no vendor."""

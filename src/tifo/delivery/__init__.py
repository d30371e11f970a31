"""Loads events into warehouses and delivers them to destinations, by one cursor a connection. Never knows vendors."""

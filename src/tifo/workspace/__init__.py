"""The catalog: sources, write keys, warehouses and connections. Never moves events."""

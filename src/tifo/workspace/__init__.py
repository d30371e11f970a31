"""The catalog: sources, write keys, warehouses, destinations, alerts and tokens. Never moves events."""

"""The SQL implementations of the workspace's contracts: catalog, destinations, warehouses, plans and alerts."""

"""Implements the workspace's contracts on SQL: catalog, destinations, warehouses, plans and alerts."""

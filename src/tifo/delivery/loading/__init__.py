"""Loads the event log into warehouses, exactly once. It never knows which product a warehouse is."""

"""Converts messages to tables and columns (pure), evolves schemas, and holds one driver for each kind of warehouse.

Never decides when to load.
"""

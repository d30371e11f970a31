"""Messages to tables and columns (pure), schema evolution, and one driver a warehouse.

Never decides when to load.
"""

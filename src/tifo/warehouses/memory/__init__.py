"""Holds a warehouse in memory, for tests."""

from tifo.warehouses.memory.warehouse import MemoryWarehouse

__all__ = ["MemoryWarehouse"]

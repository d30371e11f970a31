"""Implements the warehouses' contracts on SQL: settled names."""

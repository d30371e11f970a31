"""Holds Tifo's own kinds of destinations, one module each. Adding a kind touches this folder only (see own.py)."""

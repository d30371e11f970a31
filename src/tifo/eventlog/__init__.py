"""Holds the event log's contract (append, read, positions, retention) and its implementations: SQLite, memory.

Never knows who reads it.
"""

"""The event log's contract (append, read, positions, retention), its policies and its in-memory twin.

Never knows who reads it.
"""

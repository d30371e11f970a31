"""Reads the event log by a cursor, and invokes the reward action that a matching event triggers.

Never knows what an action pays: that is the engine's.
"""

"""Tracked events that are actions: the event log is read by a cursor, and a matching event invokes its reward action.

Never knows what an action pays: that is the engine's.
"""

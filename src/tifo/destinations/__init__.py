"""Specifies destinations, lists their kinds, and holds one adapter for each kind. Never retries."""

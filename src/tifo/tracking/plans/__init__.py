"""Tracking plans: the rules that events are checked by, and what becomes of events that violate them. Pure."""

"""Tracking plans: what a source's events should hold, and what becomes of those that do not. Pure."""

"""Holds tracking plans: what a source's events should contain, and how others are handled. Pure."""

"""Checks events by tracking plans, and decides which are blocked, shortened or forwarded. Pure."""

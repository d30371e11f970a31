"""Decides which process does a piece of work that several could do: leases, and how processes share them.

Never knows what the work is.
"""

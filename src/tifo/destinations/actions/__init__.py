"""Runs vendors' kinds: Segment's open-source action destinations, by Node in a process of their own.

The library makes the requests to vendors. `delivery` owns pace and retries.
"""

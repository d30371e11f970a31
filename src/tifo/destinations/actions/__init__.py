"""Vendors' kinds: Segment's open-source action destinations, run by Node in a process of their own.

What a request means to a vendor is the library's business; pace, retries and outcomes stay `delivery`'s.
"""

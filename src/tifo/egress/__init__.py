"""Outbound requests to addresses that someone configured: which may be reached, and the connector that sees to it.

Never knows what is sent.
"""

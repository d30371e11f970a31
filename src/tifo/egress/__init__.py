"""Sends requests to addresses that someone configured: the rules which addresses are allowed, and the HTTP client.

It never knows what is sent.
"""

"""Reads Tracking API messages: decoding, validation, timestamps, limits and canonical bytes.

Pure: never does I/O.
"""

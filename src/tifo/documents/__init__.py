"""Reads typed documents from YAML or TOML, writes them as YAML, and compares them.

Never knows what a document is about: a game (`engagement/text`) and a workspace (`workspace/text`) are both read,
written and compared here. Pure: it receives text and returns text.
"""

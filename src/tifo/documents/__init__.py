"""Typed documents as text: YAML or TOML in, YAML out, and what applying a file would change.

Never knows what a document is about: a game (`engagement/text`) and a workspace (`workspace/text`) are both read,
written and compared here. Pure: it gets text, and returns text.
"""

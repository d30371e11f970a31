"""Profiles, reward items, the ledger, reward tables, badges and quests: commands in, new state and facts out.

Pure: never does I/O, SQL or HTTP.
"""

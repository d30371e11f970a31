"""The main job, played and checked: a match on a fresh Tifo, over real HTTP, against counts known beforehand.

Uses Tifo as a stranger would: the command line and HTTP only. What must come out is worked out by plain
arithmetic in `script.py`, which shares no code with the rules.
"""

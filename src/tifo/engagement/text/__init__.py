"""A game's rules as text: the format of a file, the game described in it, and a file planned and built into commands.

Pure: it gets text, and returns text. Reading, writing and comparing files of any kind stand in `documents`.
"""

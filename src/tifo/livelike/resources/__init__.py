"""Answers are made of these structs, one module a noun. The document describes the same structs.

Names, nesting and the order of fields are LiveLike's. Times are UTC with milliseconds. A field that LiveLike has and
Tifo has no use for is sent with a constant, because clients read it.
"""

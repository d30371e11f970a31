"""The resources that answers hold, one module a noun: each struct is both what is sent and what the document describes.

Names, nesting and the order of fields are LiveLike's. Times are UTC with milliseconds. A field that LiveLike has and
Tifo has no use for is sent with a constant, because clients read it.
"""

"""Requests are decoded into these structs, one module a noun.

Fields that a struct does not name are ignored: LiveLike's clients may send some that Tifo does not know.
"""

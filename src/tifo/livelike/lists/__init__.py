"""Reads the query strings of lists, finds the fans that a caller may see, and cuts pages in LiveLike's envelope."""

"""One cursor a connection: what is loaded and delivered when, and what is not and why. Never knows vendors."""

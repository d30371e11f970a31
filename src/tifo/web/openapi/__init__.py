"""Builds the whole API's document (OpenAPI 3.1) from the parts that APIs describe, and serves it with a page."""

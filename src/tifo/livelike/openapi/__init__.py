"""Derives the API's document (OpenAPI 3.1) from route handlers and from the structs of bodies and answers."""

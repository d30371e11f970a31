"""ASGI: bodies, types and the embedded server. It knows no route."""

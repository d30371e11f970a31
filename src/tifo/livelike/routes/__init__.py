"""Route handlers, one module a noun. Each module lists its handlers as `ROUTES`."""

"""Each module holds the route handlers of one noun and lists them as `ROUTES`."""

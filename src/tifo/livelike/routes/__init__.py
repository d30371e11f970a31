"""The routes, one module for each family of resources. Each lists its handlers as `ROUTES`."""

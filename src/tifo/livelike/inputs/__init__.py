"""The bodies of requests, one module a noun. Fields that a struct does not name are ignored."""

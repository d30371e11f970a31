"""The API's document (OpenAPI 3.1): derived from the route handlers and from the structs that they take and answer."""

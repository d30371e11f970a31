"""Builds absolute addresses of resources."""

from urllib.parse import quote, urlencode

# LiveLike's SDK knows one path, the application's. It follows addresses in answers to everything else, as they are: so
# each must be absolute, and one that the client can reach.
ROOT = "/api/v1/"


class Links:
    """Addresses below one base, such as `https://fans.example.com`."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self.root = self.base + ROOT

    def to(self, *parts: str) -> str:
        """`to("quests", id)` → `…/api/v1/quests/{id}/`."""
        # LiveLike's addresses end with a slash.
        return f"{self.root}{'/'.join(parts)}/"

    def query(self, collection: str, **params: str) -> str:
        """`query("quests", client_id=c)` → `…/api/v1/quests/?client_id=c`."""
        return f"{self.to(collection)}?{urlencode(params)}"

    def page(self, path: str, params: list[tuple[str, str]]) -> str:
        # The server has decoded the path: a custom id in it must be encoded again.
        return f"{self.base}{quote(path.rstrip('/'))}/?{urlencode(params)}"

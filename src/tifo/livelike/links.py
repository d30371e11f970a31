"""Builds absolute addresses of resources. Clients know the application's address only and follow these to the rest."""

from urllib.parse import quote, urlencode

ROOT = "/api/v1/"


class Links:
    """Addresses below one base, such as `https://fans.example.com`."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self.root = self.base + ROOT

    def to(self, *parts: str) -> str:
        """`to("quests", id)` → `…/api/v1/quests/{id}/`."""
        return f"{self.root}{'/'.join(parts)}/"

    def query(self, collection: str, **params: str) -> str:
        """`query("quests", client_id=c)` → `…/api/v1/quests/?client_id=c`."""
        return f"{self.to(collection)}?{urlencode(params)}"

    def page(self, path: str, params: list[tuple[str, str]]) -> str:
        return f"{self.base}{quote(path.rstrip('/'))}/?{urlencode(params)}"

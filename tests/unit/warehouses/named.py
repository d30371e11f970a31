"""Names columns for tests of what is flattened: whoever comes first owns a name, and nobody is asked."""

from tifo.warehouses.naming import NameOf, Path, free_name, property_name, short_name


class FirstCome:
    """Implements `columns.Naming`."""

    asks = False

    def __init__(self, *standard: str) -> None:
        self._name_of = property_name(standard, "property")
        self._names: dict[Path, str] = {}
        self._used: set[str] = set()

    @property
    def wanted(self) -> NameOf:
        return self._name_of

    def __call__(self, paths: tuple[Path, ...], count: int = 1) -> tuple[str | None, ...]:  # noqa: ARG002 (the contract's)
        for path in paths:
            if path not in self._names:
                name = self._names[path] = free_name(self._name_of(path), self._used)
                self._used.add(short_name(name))
        return tuple(map(self._names.__getitem__, paths))

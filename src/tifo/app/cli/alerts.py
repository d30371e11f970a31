"""The commands of `tifo alert`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tifo.app.cli.output import show
from tifo.app.settings import load_settings

_Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
_Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]

alerts = App(name="alert", help="Who is told when deliveries, volume or loads are not as they should be.")


@alerts.command(name="add")
def alert_add(
    name: str,
    /,
    *,
    kind: Annotated[str, Parameter(help="delivery-rate, volume or warehouse.")],
    of: Annotated[str, Parameter(help="The destination, source, or warehouse (duckdb is the built-in one).")],
    threshold: Annotated[float, Parameter(help="Percent delivered; percent fewer than before; seconds not loaded.")],
    window: Annotated[str, Parameter(help="What is counted: 30m, 24h.")] = "24h",
    quiet: Annotated[str, Parameter(help="So long nobody is told a second time.")] = "4h",
    url: Annotated[str | None, Parameter(help="Gets a POST with JSON.")] = None,
    email: Annotated[str | None, Parameter(help="Gets a mail, by the setting smtp_url.")] = None,
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Tell somebody when it fires and when it is over."""
    from tifo.app import alerts as work

    settings = load_settings({"data": data})
    made = work.add(settings, name, kind, of=of, threshold=threshold, window=window, quiet=quiet, url=url, email=email)
    show(made, as_json=json)


@alerts.command(name="list")
def alert_list(*, data: _Data = None, json: _Json = False) -> None:
    """The alerts, and how it stands with each."""
    from tifo.app import alerts as work

    show(work.listed(load_settings({"data": data})), as_json=json)


@alerts.command(name="test")
def alert_test(name: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Tell as if it fired."""
    from tifo.app import alerts as work

    show(work.try_out(load_settings({"data": data}), name), as_json=json)


@alerts.command(name="remove")
def alert_remove(name: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Tell nobody any more."""
    from tifo.app import alerts as work

    show(work.remove(load_settings({"data": data}), name), as_json=json)

import asyncio

from tifo.web.asgi import AsgiApp, Receive, Scope, Send
from tifo.web.server import dispatch


def named(name: str, called: list[str]) -> AsgiApp:
    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.sleep(0)
        called.append(f"{name} {scope.get('path', '')}")

    return app


async def ask(app: AsgiApp, scope: Scope) -> None:
    async def nothing(*_: object) -> None:
        raise AssertionError("nobody reads or answers here")

    await app(scope, nothing, nothing)  # type: ignore[arg-type]


async def test_a_request_goes_to_the_first_application_whose_prefix_its_path_has_and_else_to_the_rest() -> None:
    called: list[str] = []
    prefixes = {"/v1/projects/": named("browser", called), "/v1/": named("tracking", called)}
    app = dispatch(prefixes, named("rest", called))
    for path in ("/v1/track", "/v1/projects/key/settings", "/v2/track", "/"):
        await ask(app, {"type": "http", "path": path})
    assert called == ["tracking /v1/track", "browser /v1/projects/key/settings", "rest /v2/track", "rest /"]


async def test_what_is_no_request_goes_to_the_rest() -> None:
    called: list[str] = []
    await ask(dispatch({"": named("quick", called)}, named("rest", called)), {"type": "lifespan"})
    assert called == ["rest "]

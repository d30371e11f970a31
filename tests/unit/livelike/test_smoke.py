async def test_x(world):
    doc = await world.get(f"applications/{world.client_id}/", token="")
    print(doc)
    fan = await world.fan()
    print(fan)
    r = await world.call("GET", "/docs/openapi.json")
    print(r.status, len(str(r.body)))
    print(
        r.body["paths"]["/api/v1/reward-tables"]["post"],
        r.body["paths"]["/api/v1/reward-tables/{table_id}/entries"]["post"],
    )
    for p in ["/docs", "/docs/swagger", "/nope", "/health"]:
        r = await world.call("GET", p)
        print(p, r.status, str(r.body)[:200])
    r = await world.call("DELETE", "badges/")
    print(r.status, r.body, dict(r.headers))

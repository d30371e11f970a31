"""Counts what the relay sends, for Prometheus."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge


class RelayMetrics:
    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        by_client = ["client_id"]
        self.attempts = Counter(
            "tifo_relay_attempts",
            "Batches posted, by what the answer decided: sent, retry, hold, split.",
            ["client_id", "outcome"],
            registry=registry,
        )
        self.sent = Counter(
            "tifo_relay_events_sent", "Events that the endpoint accepted.", by_client, registry=registry
        )
        self.dead_lettered = Counter(
            # Names of metrics stay: people's dashboards use them.
            "tifo_relay_events_set_aside",
            "Events that were refused for good.",
            by_client,
            registry=registry,
        )
        self.held = Gauge(
            "tifo_relay_connection_held",
            "1 while the endpoint refuses the connection's write key or address.",
            by_client,
            registry=registry,
            multiprocess_mode="livemax",
        )

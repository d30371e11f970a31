"""The SQL implementations of the source's contracts: facts, webhooks in and out, and segment actions."""

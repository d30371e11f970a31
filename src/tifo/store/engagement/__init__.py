"""The SQL implementations of engagement's contracts: engine, queries, ledger audit, tokens and pictures."""

"""The destination contract, the catalog of kinds, one adapter a kind, and filters. Never retries."""

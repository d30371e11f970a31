"""The contract of destinations, the catalog of kinds, and one adapter a kind. It never retries."""

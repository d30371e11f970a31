"""Settings, composition, roles and the command line; alone in importing the store and the drivers."""

"""Serves HTTP: holds ASGI's types, bodies, answers, and the server. It never knows what a request is about."""

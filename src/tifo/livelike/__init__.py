"""Serves LiveLike's REST resources, discovery document and tokens: routes and their JSON. Never holds a rule."""

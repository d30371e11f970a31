"""LiveLike's REST resources, discovery document and tokens: routes and wire shapes. Never holds a rule."""

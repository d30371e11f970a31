"""The LiveLike Source: a fact becomes one of the six track messages, and the relay that sends them.

Never knows the rules of the game.
"""

"""The LiveLike Source: maps facts and LiveLike's webhooks to six track messages, and sends them.

It never knows the rules of the game.
"""

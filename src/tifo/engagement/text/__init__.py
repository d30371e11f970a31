"""A game's rules as text: YAML to a checked document, the difference between two documents, and the way back.

Pure: it is handed text, and hands text back.
"""

"""The workspace as text: its format, the workspace described in it, and a file planned and applied."""

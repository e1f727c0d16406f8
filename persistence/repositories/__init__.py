"""Reading and writing by noun; each repository works on the connection of one unit of work."""

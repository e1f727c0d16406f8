"""The composition root: settings, wiring, the server and the commands. The only package that sees everything."""

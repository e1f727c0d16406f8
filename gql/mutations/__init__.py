"""One noun, one module."""

"""Requests to addresses that users type, made so that nobody is led where the user must not reach."""

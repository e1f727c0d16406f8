"""Benchmarks of the state store: against a peer or a limit, side by side in one run, as ratios."""

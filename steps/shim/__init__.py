"""The shim: the companion of one attempt on its machine; `python -P -m steps.shim` starts it. Standard library only."""

"""Use cases that time or a change outside starts: loops that compare what should be with what is, and close the gap."""

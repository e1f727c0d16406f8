"""Use cases that a person or a worker starts: authorise, transact, ask the domain, return its objects."""

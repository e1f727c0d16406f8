"""The GraphQL face: types, operations and transport, and nothing that decides."""

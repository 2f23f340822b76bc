"""The root types of the GraphQL schema."""

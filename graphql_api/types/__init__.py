"""The types of the GraphQL schema, one module for each noun."""

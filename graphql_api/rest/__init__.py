"""The REST API that clients of the service before Duetime know, over the same use cases as GraphQL."""

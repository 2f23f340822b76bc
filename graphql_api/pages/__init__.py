"""The pages that the service serves: the playground and Swagger UI."""

"""The HTTP call of a run: the request, its target, the exchange, and what is kept of the response."""

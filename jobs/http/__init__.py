"""The HTTP call of a run: the request, its target, the exchange, and the stored part of the response."""

"""ASGI middleware: what every request passes before an endpoint sees it."""

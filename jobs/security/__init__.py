"""Secrets and access: encryption at rest, secret headers, signatures of calls, API keys."""

"""What is secret, and who may call: encryption at rest, secret headers, signatures of calls, API keys."""

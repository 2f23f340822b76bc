"""The dashboard's modules that need no browser."""

"""The SQL of `jobs.security`: API keys and sealed values."""

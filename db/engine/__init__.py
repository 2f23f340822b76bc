"""The SQL of `jobs.engine`: claims, finishes, leases, and the events and rollups that they record."""

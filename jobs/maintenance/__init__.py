"""What keeps a running service in order: recovery of lost runs, partitions, deletion, expiry, rollups, key rotation."""

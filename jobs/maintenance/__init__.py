"""What keeps a running service in order: recovery of lost runs, partitions, deletion, rollups, key rotation."""

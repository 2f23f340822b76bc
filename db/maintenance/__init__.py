"""The SQL of `jobs.maintenance`: partitions, deletion, new time zone rules."""

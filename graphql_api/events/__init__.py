"""What has happened, read once a process for all its subscribers."""

"""The local stack: an embedded Postgres and Valkey that `duetime up` runs when no servers are configured."""

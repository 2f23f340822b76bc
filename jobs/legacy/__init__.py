"""What only clients and data of the service before Duetime need."""

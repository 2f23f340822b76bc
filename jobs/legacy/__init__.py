"""What only clients and data of the scheduler before Duetime need."""

"""How an operation is executed: parsed and validated once, its cost measured, then run on the schema."""

"""Measurements of the engine, each as a ratio against its bare counterpart in the same run. `make bench` runs them."""

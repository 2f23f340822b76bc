"""Postgres and Valkey of our own, for whoever names no servers: their files, their start, and their certain end."""

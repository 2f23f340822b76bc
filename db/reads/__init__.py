"""Reads for the API: lists by keyset pages, single rows, metrics and health. Nothing here changes a row."""

"""What the API shows: lists by keyset pages, single rows, metrics and health. Nothing here changes a row."""

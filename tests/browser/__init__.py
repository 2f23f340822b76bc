"""Duetime's pages in a real Chromium, which can reach no other host."""

"""Duetime's pages as people meet them: in a real Chromium, to which no other host exists."""

"""Duetime as clients of the JavaScript world see it: their own libraries, run by Node.js."""

"""Duetime with the client libraries of the JavaScript world, run by Node.js."""

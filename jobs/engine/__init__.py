"""The engine of a worker: claims due runs, makes their calls, and writes the outcomes."""

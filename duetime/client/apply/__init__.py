"""Tasks as code: compares the tasks in files with the stored ones, and makes the stored ones match."""

"""Tasks as code: what files say tasks should be, compared with what they are, and brought to that."""

"""One module per command: add_parser says what it takes, run does it and returns the exit code."""

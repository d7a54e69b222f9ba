"""A whole history at once, compiled. Strategies see bars only, so a run has two passes: bars to signals, signals to an
account. Both are made of the same kernels that the services run, and end with the same records (see `run_hash`)."""

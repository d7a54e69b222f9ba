"""The execution service: orders, each sent at most once per attempt and accounted for whatever is killed."""

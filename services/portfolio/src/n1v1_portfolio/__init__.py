"""The portfolio service: the books of the account."""

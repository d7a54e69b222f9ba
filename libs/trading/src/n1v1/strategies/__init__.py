"""Strategies: the contract (`base`), the built-in ones, and the registry that finds them and third parties' alike."""

"""Runs strategies on closed bars and says, for every bar, what they want or why they want nothing."""

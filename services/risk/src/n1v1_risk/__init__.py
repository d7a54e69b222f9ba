"""The risk service: the only way to an order."""

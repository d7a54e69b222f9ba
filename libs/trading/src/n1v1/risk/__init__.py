"""Sizing, limits and the breaker: the only way to an order."""

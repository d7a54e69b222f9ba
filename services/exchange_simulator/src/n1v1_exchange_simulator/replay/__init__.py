"""Recorded markets in three qualities: bars, trades, full depth. `source.Source` is what they have in common."""

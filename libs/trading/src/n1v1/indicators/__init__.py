"""Indicators as kernels: plain functions over a record of state, one bar at a time."""

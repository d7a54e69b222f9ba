"""Indicators as kernels: plain functions over a structured record of state, one bar at a time."""

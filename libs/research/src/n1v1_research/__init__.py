"""Recorded data to run on, and reports on what a run did."""

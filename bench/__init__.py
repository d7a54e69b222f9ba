"""What n1v1 costs, told as ratios to a floor that was measured in the same run. See README.md."""

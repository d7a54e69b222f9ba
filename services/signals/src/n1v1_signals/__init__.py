"""The signals service: strategies at work on the bars of its partitions."""

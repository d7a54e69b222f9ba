"""The market_data service: closed bars from a venue, for everybody."""

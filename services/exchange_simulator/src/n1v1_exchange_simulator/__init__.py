"""The exchange_simulator service: a venue that replays recorded bars and speaks a thin Binance Spot protocol."""

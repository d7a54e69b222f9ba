"""Binance Spot's wire protocol, as far as ccxt needs it: REST, market streams and the user data stream."""

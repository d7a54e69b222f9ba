"""Binance Spot's wire protocol: the REST API and the WebSocket API over one table of calls, market and user streams."""

"""A venue that is an order book: price, then time. Pure: it is told commands and what the market did, and answers."""

from n1v1_exchange_simulator.matching.rules import Commission, FeeToken, MatchingRules
from n1v1_exchange_simulator.matching.venue import MatchingVenue

__all__ = ["Commission", "FeeToken", "MatchingRules", "MatchingVenue"]

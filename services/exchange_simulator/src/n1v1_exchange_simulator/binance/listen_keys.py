"""Listen keys: how user data streams were opened before 2026. Off unless a venue is set to be as it was.

A key is good for an hour after it was last asked for or kept alive, and there is one per account.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.signing import WallClock
from n1v1_exchange_simulator.binance.wire import Json

HOUR_NS = 3_600_000_000_000
GONE = 410


@dataclass(slots=True)
class _Lease:
    key: str
    until_ns: int


class ListenKeys:
    def __init__(self, wall_ns: WallClock, *, is_served: bool) -> None:
        self._wall_ns = wall_ns
        self._is_served = is_served
        self._leases: dict[str, _Lease] = {}

    def account_of(self, key: str) -> str | None:
        """Whose key it is, while it is good."""
        now_ns = self._wall_ns()
        valid = (name for name, lease in self._leases.items() if lease.key == key and now_ns < lease.until_ns)
        return next(valid, None)

    # --- calls -------------------------------------------------------------------------------------------------

    def open(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        name = self._checked(account, parameters)
        lease = self._leases.get(name)
        if lease is None or self._wall_ns() >= lease.until_ns:
            lease = self._leases[name] = _Lease(secrets.token_urlsafe(45), 0)
        lease.until_ns = self._wall_ns() + HOUR_NS
        return {"listenKey": lease.key}

    def keep(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        self._of(account, parameters).until_ns = self._wall_ns() + HOUR_NS
        return {}

    def close(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        self._of(account, parameters).until_ns = 0
        return {}

    def _of(self, account: ApiAccount | None, parameters: Parameters) -> _Lease:
        key = parameters.text("listenKey")
        lease = self._leases.get(self._checked(account, parameters))
        if lease is None or lease.key != key or self._wall_ns() >= lease.until_ns:
            raise ApiError(-1125, "This listenKey does not exist.")
        return lease

    def _checked(self, account: ApiAccount | None, parameters: Parameters) -> str:
        if not self._is_served:
            msg = "Listen keys were retired; subscribe to the user data stream over the WebSocket API."
            raise ApiError(-1000, msg, status=GONE)
        parameters.finish()
        assert account is not None, "calls that need a key are never made without one"
        return account.name

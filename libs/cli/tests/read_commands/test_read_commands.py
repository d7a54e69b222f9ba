"""orders, positions, equity and why, against an API that answers with the models of reporting."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from n1v1_cli.commands.equity import sparkline
from n1v1_cli.commands.positions import protected_by
from n1v1_cli.main import main
from n1v1_reporting.api import models

AT = datetime(2021, 3, 4, 8, tzinfo=UTC)

ORDER = models.Order(
    id="o-eyklh26lc765f4yo",
    symbol="BTC-USD",
    timestamp=AT,
    side="SELL",
    type="MARKET",
    status="FILLED",
    quantity=Decimal("0.02940000"),
    filled=Decimal("0.02940000"),
    price=Decimal("49123.45"),
    limit_price=None,
    stop_price=None,
    trailing_distance=None,
    purpose="EXIT",
    entry_id=None,
    fee=Decimal("1.44422943"),
    pnl=Decimal("-12.50000000"),
    equity=Decimal("10012.12345678"),
    cumulative_return=0.0012,
    strategy="ema_cross",
    trace_id="",
)
PROTECTION = (
    models.Protection(order_id="o-stop", purpose="STOP_LOSS", price=Decimal("48020.50"), trailing_distance=None),
    models.Protection(order_id="o-target", purpose="TAKE_PROFIT", price=Decimal("52000"), trailing_distance=None),
)
POSITIONS = models.Positions(
    quote="USD",
    positions=[
        models.Position(
            symbol=symbol,
            quantity=quantity,
            entry_price=Decimal("49000.00") if quantity else None,
            mark_price=Decimal("50000.00"),
            value=quantity * 50_000,
            unrealised_pnl=quantity * 1_000,
            realised_pnl=Decimal("3.00"),
            fees=Decimal("1.00"),
            protection=list(PROTECTION) if quantity else [],
            timestamp=AT,
        )
        for symbol, quantity in (("BTC-USD", Decimal("0.5")), ("ETH-USD", Decimal(0)))
    ],
)
EQUITY = models.Equity(
    quote="USD",
    equity_curve=[
        models.EquityPoint(timestamp=AT, balance=Decimal("9000"), equity=Decimal("10100.5"), cumulative_return=0.01005)
    ],
)
WHY = models.Why(
    symbol="BTC-USD",
    asked_time=AT,
    bar_time=AT,
    strategies=[
        models.Opinion(
            strategy="ema_cross",
            signal_type="BUY",
            strength=1.0,
            reason="fast average crossed above slow",
            looked_at=[],
            decision=models.Decision(
                verdict="REFUSED",
                refusal="DRAWDOWN_LIMIT",
                detail="10.1 % below the peak",
                checks=[
                    models.Check(name="breaker", passed=True, detail="closed"),
                    models.Check(name="drawdown", passed=False, detail="[10.1 %] of at most 10 %"),
                ],
                order_id="",
                order_status="",
                trace_id="",
            ),
        ),
        models.Opinion(
            strategy="my_breakout",
            signal_type="",
            strength=0.0,
            reason="no new high",
            looked_at=[models.LookedAt(name="highest", value=51234.5)],
            decision=None,
        ),
    ],
)
NO_BAR = models.ErrorAnswer(
    error=models.ErrorBody(code="not_found", message="no bar of ETH-USD has been processed yet", details=[])
)


class Reporting(BaseHTTPRequestHandler):
    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        parameters = dict(parse_qsl(parts.query))
        type(self).asked.append((parts.path, parameters))
        status, body = answer_to(parts.path, parameters)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the tests read what the command prints."""


def answer_to(path: str, parameters: dict[str, str]) -> tuple[int, str]:
    match path.removeprefix("/api/v1/"):
        case "orders" if parameters.get("symbol") == "NONE-USD":
            return 200, models.Orders(orders=[]).model_dump_json()
        case "orders":
            return 200, models.Orders(orders=[ORDER]).model_dump_json()
        case "positions":
            return 200, POSITIONS.model_dump_json()
        case "equity":
            return 200, EQUITY.model_dump_json()
        case "why" if parameters["symbol"] == "BTC-USD":
            return 200, WHY.model_dump_json()
        case "why":
            return 404, NO_BAR.model_dump_json()
        case _:
            return 500, "<html>"


@pytest.fixture
def api() -> Iterator[str]:
    Reporting.asked = []
    server = HTTPServer(("127.0.0.1", 0), Reporting)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_orders_are_a_table_with_price_and_profit(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["orders", "--api", api, "--symbol", "BTC-USD", "--limit", "5"]) == 0
    printed = capsys.readouterr().out
    for cell in ("2021-03-04 08:00", "o-eyklh26lc765f4yo", "FILLED", "0.0294", "49,123.45", "-12.50"):
        assert cell in printed
    assert Reporting.asked == [("/api/v1/orders", {"symbol": "BTC-USD", "limit": "5"})]


def test_no_orders_are_said_in_words(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["orders", "--api", api, "--symbol", "NONE-USD"]) == 0
    assert capsys.readouterr().out == "no orders yet\n"


def test_closed_positions_are_shown_on_request(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["positions", "--api", api]) == 0
    printed = capsys.readouterr().out
    assert "25,000.00" in printed
    assert "+500.00" in printed
    assert "ETH-USD" not in printed
    assert main(["positions", "--api", api, "--all"]) == 0
    assert "ETH-USD" in capsys.readouterr().out


def test_positions_show_what_protects_them(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["positions", "--api", api, "--all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    header, bitcoin, ether = (line for line in lines if "symbol" in line or "-USD" in line)
    assert header.split("fees")[1].strip() == "protected by"
    assert "stop loss 48,020.5, take profit 52,000" in bitcoin
    assert "stop" not in ether


def test_a_trailing_stop_is_shown_by_its_distance_until_it_has_a_price() -> None:
    stop = {"purpose": "TRAILING_STOP", "price": None, "trailing_distance": 0.025}
    assert protected_by([stop]) == "trailing stop 2.5 % behind"
    assert protected_by([{**stop, "price": "47000"}]) == "trailing stop 47,000, 2.5 % behind"
    assert protected_by([]) == ""


def test_equity_is_a_curve_and_a_table(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["equity", "--api", api, "--start", "2021-03-04"]) == 0
    printed = capsys.readouterr().out
    assert "10,100.50" in printed
    assert "+1.00 %" in printed or "+1.01 %" in printed
    assert Reporting.asked[0][1] == {"start": "2021-03-04", "points": "12"}


def test_a_sparkline_goes_from_the_lowest_to_the_highest_block() -> None:
    assert sparkline([1, 2, 8]) == "▁▂█"
    assert sparkline([5, 5]) == "▁▁"


def test_why_says_what_strategies_and_checks_said(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "BTC-USD", "2021-03-04T08:00", "--api", api]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "BTC-USD, the bar that closed at 2021-03-04 08:00 UTC",
        "",
        "ema_cross: BUY, strength 1: fast average crossed above slow",
        "  risk: REFUSED, DRAWDOWN_LIMIT: 10.1 % below the peak",
        "    breaker   passed  closed",
        "    drawdown  failed  [10.1 %] of at most 10 %",
        "",
        "my_breakout: no signal: no new high",
        "    highest = 51,234.5",
    ]


@pytest.mark.parametrize("command", [["orders"], ["positions"], ["equity"], ["why", "BTC-USD", "2021-03-04"]])
def test_json_is_the_answer_as_it_came(command: list[str], api: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--api", api, "--json"]) == 0
    path, parameters = Reporting.asked[0]
    assert json.loads(capsys.readouterr().out) == json.loads(answer_to(path, parameters)[1])


def test_a_no_of_reporting_is_passed_on(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "ETH-USD", "2021-03-04", "--api", api]) == 1
    assert capsys.readouterr().err == "n1v1: no bar of ETH-USD has been processed yet\n"


def test_an_address_that_is_not_reporting_is_told(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["orders", "--api", f"{api}/elsewhere"]) == 1
    assert "answered 500 Internal Server Error; is it the address of reporting?" in capsys.readouterr().err
    assert main(["orders", "--api", "localhost:1"]) == 1
    assert "begins with http" in capsys.readouterr().err
    assert main(["orders", "--api", "http://127.0.0.1:1"]) == 1
    assert "reporting at http://127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_without_a_stack_the_way_to_start_one_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("N1V1_STATE_DIR", str(tmp_path))
    assert main(["orders"]) == 1
    assert "n1v1 up" in capsys.readouterr().err

from strategies import BaseStrategy

class MyBreakoutStrategy(BaseStrategy):
    def __init__(self, config):
        super().__init__(config)
        self.lookback_period = config.get('lookback_period', 20)

    async def generate_signals(self, market_data):
        signals = []
        for symbol, data in market_data.items():
            if len(data) < self.lookback_period:
                continue

            current_price = data.iloc[-1]['close']
            high_20 = data.iloc[-self.lookback_period:]['high'].max()
            low_20 = data.iloc[-self.lookback_period:]['low'].min()

            if current_price > high_20:
                signals.append({
                    'symbol': symbol,
                    'action': 'BUY',
                    'strength': 1.0,
                    'reason': f'Breakout above {self.lookback_period}-period high'
                })
            elif current_price < low_20:
                signals.append({
                    'symbol': symbol,
                    'action': 'SELL',
                    'strength': 1.0,
                    'reason': f'Breakout below {self.lookback_period}-period low'
                })

        return signals

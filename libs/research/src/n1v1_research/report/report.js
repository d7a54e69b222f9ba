// How the series in DATA look. Colours come from the style sheet, so light and dark are decided in one place.
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const narrow = () => window.matchMedia("(max-width: 640px)").matches;

function layout(extra) {
  const axis = { gridcolor: colour("--grid"), linecolor: colour("--line"), zeroline: false, tickfont: { size: 11 } };
  const base = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--dim") },
    margin: { l: narrow() ? 48 : 62, r: 8, t: 6, b: 40 },
    hovermode: "x unified", dragmode: narrow() ? false : "zoom",
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--ink"), size: 12 } },
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
    xaxis: { ...axis, showgrid: false, minallowed: DATA.span[0], maxallowed: DATA.span[1], hoverformat: "%Y-%m-%d %H:%M" },
    yaxis: { ...axis, fixedrange: true },
  };
  return { ...base, ...extra, yaxis: { ...base.yaxis, ...(extra.yaxis || {}) } };
}

const line = (name, x, y, shade, extra = {}) => ({
  type: "scatter", mode: "lines", name, x, y, line: { color: colour(shade), width: 1.6 }, ...extra,
});

function markers(name, fills, shade, symbol) {
  return {
    type: "scatter", mode: "markers", name, x: fills.times, y: fills.prices, text: fills.texts,
    hovertemplate: "%{text} at %{y:,.2f}",
    marker: { color: colour(shade), symbol, size: 8, line: { color: colour("--card"), width: 1 } },
  };
}

// Buy and hold is all in, a strategy usually is not: where the strategy would be a flat line, it waits in the legend.
function equityChart() {
  const dwarfs = Math.max(...DATA.equity.hold) > 4 * Math.max(...DATA.equity.equity);
  const money = `%{y:,.2f} ${DATA.quote}`;
  return [[
    line("Buy and hold, without costs", DATA.equity.times, DATA.equity.hold, "--faint", { visible: dwarfs ? "legendonly" : true, hovertemplate: money, line: { color: colour("--faint"), width: 1.2 } }),
    line("Equity", DATA.equity.times, DATA.equity.equity, "--accent", { hovertemplate: money, line: { color: colour("--accent"), width: 2 } }),
  ], layout({ margin: { l: narrow() ? 48 : 62, r: 8, t: 30, b: 40 }, yaxis: { tickformat: "~s" } })];
}

function drawdownChart() {
  return [[
    line("Drawdown", DATA.drawdown.times, DATA.drawdown.percent, "--loss", { fill: "tozeroy", fillcolor: `color-mix(in srgb, ${colour("--loss")} 18%, transparent)`, hovertemplate: "%{y:.2f} %" }),
  ], layout({ showlegend: false, yaxis: { ticksuffix: " %", rangemode: "tozero" } })];
}

function daysChart() {
  const shades = DATA.days.bins.map((middle) => colour(middle < 0 ? "--loss" : "--gain"));
  const bars = { type: "bar", x: DATA.days.bins, y: DATA.days.counts, marker: { color: shades }, hovertemplate: "%{y} days around %{x:.2f} %<extra></extra>" };
  const plain = layout({ showlegend: false, hovermode: "closest", bargap: 0.08, yaxis: { type: "log", dtick: 1 } });
  const { minallowed, maxallowed, hoverformat, ...axis } = plain.xaxis;
  return [[bars], { ...plain, xaxis: { ...axis, ticksuffix: " %", fixedrange: true } }];
}

function rollingChart() {
  return [[
    line("Sharpe ratio", DATA.days.times, DATA.days.sharpe, "--accent", { hovertemplate: "%{y:.2f}" }),
  ], layout({ showlegend: false, yaxis: { zeroline: true, zerolinecolor: colour("--line") } })];
}

// Over years a price can grow a hundredfold; then equal steps should be equal ratios.
const axisType = (prices) => (Math.max(...prices) > 15 * Math.min(...prices) ? "log" : "linear");

function priceChart(price) {
  return [[
    line("Close", price.times, price.close, "--faint", { hovertemplate: "%{y:,.2f}", line: { color: colour("--faint"), width: 1.2 } }),
    markers("Bought", price.buys, "--gain", "triangle-up"),
    markers("Sold", price.sells, "--loss", "triangle-down"),
  ], layout({ margin: { l: narrow() ? 48 : 62, r: 8, t: 30, b: 40 }, hovermode: "closest", yaxis: { tickformat: "~s", type: axisType(price.close), dtick: axisType(price.close) === "log" ? "D2" : undefined } })];
}

function draw() {
  const config = { responsive: true, displaylogo: false, displayModeBar: false };
  Plotly.react("equity", ...equityChart(), config);
  Plotly.react("drawdown", ...drawdownChart(), config);
  Plotly.react("days", ...daysChart(), config);
  Plotly.react("rolling", ...rollingChart(), config);
  for (const element of document.querySelectorAll(".chart.price")) {
    const price = DATA.prices.find((one) => one.symbol === element.dataset.symbol);
    Plotly.react(element, ...priceChart(price), config);
  }
}

// Zooming one chart in time moves the others along.
function linkTime() {
  const charts = [...document.querySelectorAll(".chart:not(#days)")];
  let following = false;
  for (const chart of charts) {
    chart.on("plotly_relayout", (change) => {
      const zoomed = "xaxis.range[0]" in change, reset = change["xaxis.autorange"];
      if (following || (!zoomed && !reset)) return;
      following = true;
      const range = reset ? { "xaxis.autorange": true } : { "xaxis.range": [change["xaxis.range[0]"], change["xaxis.range[1]"]] };
      Promise.all(charts.filter((other) => other !== chart).map((other) => Plotly.relayout(other, range)))
        .finally(() => { following = false; });
    });
  }
}

draw();
linkTime();
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
window.matchMedia("print").addEventListener("change", draw);

// Bar charts as inline SVG, in the colours of the page.

// `bars` are {value, label}; `ticks` are [position between 0 and the number of bars, text].
function barChart(bars, ticks, { label, axis, height = 110, marked = -1 }) {
  const width = 420, foot = 34, head = 14;
  const tallest = Math.max(1, ...bars.map((bar) => bar.value));
  const step = width / bars.length;
  const root = el("svg", { viewBox: `0 0 ${width} ${height + head + foot}`, role: "img", "aria-label": label, class: "chart" });
  bars.forEach((bar, i) => {
    if (!bar.value) return;
    // Even the smallest bar stays visible.
    const size = Math.max(1.5, (bar.value / tallest) * height);
    const rect = el("rect", { x: i * step + 0.5, y: head + height - size, width: Math.max(step - 1, 0.8), height: size, rx: 1, class: i === marked ? "marked" : null });
    rect.append(el("title", {}, bar.label));
    root.append(rect);
  });
  root.append(el("line", { x1: 0, x2: width, y1: head + height + 0.5, y2: head + height + 0.5 }));
  root.append(el("text", { x: 0, y: 10 }, show(tallest)));
  for (const [place, text] of ticks) {
    const anchor = place <= 0.5 ? "start" : place >= bars.length - 0.5 ? "end" : "middle";
    root.append(el("text", { x: place * step, y: head + height + 14, "text-anchor": anchor }, text));
  }
  root.append(el("text", { x: width / 2, y: head + height + 30, "text-anchor": "middle" }, axis));
  return root;
}

// Histogram of densities: four bars per power of ten, with dead features on the left.
function densityChart(densities) {
  const alive = densities.filter((density) => density > 0).map(Math.log10);
  const low = Math.floor(Math.min(-4, ...alive));
  const n = -low * 4, gap = 3;
  const bars = Array.from({ length: n + gap }, () => ({ value: 0, label: "" }));
  bars[0].value = densities.length - alive.length;
  bars[0].label = `${bars[0].value} features never fire`;
  for (const value of alive) bars[gap + Math.min(n - 1, Math.floor((value - low) * 4))].value++;
  for (let i = 0; i < n; i++) {
    const ends = [low + i / 4, low + (i + 1) / 4].map((power) => percent(10 ** power));
    bars[gap + i].label = `${bars[gap + i].value} features fire on ${ends[0]} to ${ends[1]} of tokens`;
  }
  const ticks = [[0, "never"]];
  for (let power = low + 1; power <= 0; power++) ticks.push([gap + (power - low) * 4, percent(10 ** power)]);
  return barChart(bars, ticks, { height: 90, label: "Histogram of feature densities", axis: "fraction of tokens on which a feature fires", marked: 0 });
}

// Histogram of one feature's codes, with bins in geometric progression.
function codesChart([first, counts], edges) {
  const bars = counts.map((value, i) => ({
    value, label: `${show(value)} codes from ${show(edges[first + i])} to ${show(edges[first + i + 1])}`,
  }));
  const every = Math.max(1, Math.ceil(counts.length / 5));
  const ticks = [];
  for (let i = 0; i <= counts.length; i += every) ticks.push([i, show(edges[first + i], 2)]);
  return barChart(bars, ticks, { label: "Histogram of codes", axis: "code (log scale)", height: 80 });
}

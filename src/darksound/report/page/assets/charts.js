// Small charts, drawn as SVG.

const LINE_STYLES = ["", "7 4", "2 3", "9 3 2 3"];

function summed(counts) {
  return counts.reduce((sum, count) => sum + count, 0);
}

// Counts as columns; labels stand under some of them.
function columns(counts, labels, description) {
  const [width, height, foot] = [240, 66, 16];
  const most = Math.max(1, ...counts);
  const step = width / counts.length;
  const chart = draw("svg", {
    viewBox: `0 0 ${width} ${height + foot}`,
    role: "img",
    "aria-label": description,
  });
  chart.style.maxWidth = `${width + 40}px`;
  counts.forEach((count, i) => {
    const tall = count ? Math.max(1.5, (count / most) * (height - 12)) : 0;
    const box = {
      class: "column",
      x: i * step + 0.5,
      width: Math.max(1, step - 1),
      y: height - tall,
      height: tall,
    };
    chart.append(draw("rect", box, draw("title", {}, `${labels(i, true)}: ${count}`)));
    const label = labels(i, false);
    if (label)
      chart.append(
        draw("text", { x: (i + 0.5) * step, y: height + 13, "text-anchor": "middle" }, label),
      );
  });
  chart.append(draw("path", { class: "axis", d: `M0 ${height + 0.5}H${width}` }));
  chart.append(draw("text", { x: 0, y: 9 }, `most: ${most}`));
  return chart;
}

function hourColumns(hours) {
  const most = hours.indexOf(Math.max(...hours));
  return columns(
    hours,
    (hour, full) => (full ? `${hour} to ${hour + 1} h` : hour % 6 === 0 ? String(hour) : ""),
    `ROIs by hour of the day; most from ${most} to ${most + 1} h`,
  );
}

// Names and counts as horizontal bars; of a path that is too long the end is seen.
function bars(rows, paths = false) {
  const most = Math.max(1, ...rows.map(([, count]) => count));
  return make(
    "div",
    { class: "bars" },
    rows
      .map(([name, count]) => {
        const bar = make("i");
        bar.style.width = `${(100 * count) / most}%`;
        return [
          make(
            "span",
            { class: paths ? "label path" : "label", title: name },
            make("bdi", { dir: "ltr" }, name),
          ),
          make("span", { class: "track" }, bar),
          make("span", { class: "count" }, count.toLocaleString("en")),
        ];
      })
      .flat(),
  );
}

function niceStep(span, count) {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

function ticks(low, high, count) {
  const step = niceStep(high - low || 1, count);
  const out = [];
  for (let value = Math.ceil(low / step) * step; value <= high + 1e-9; value += step)
    out.push(value);
  return out;
}

// Lines over one horizontal axis. series: {name, y}; band: {low, high}; marked: a place on x.
function lines({ x, series, band, marked, across, description }) {
  const [width, height, left, foot] = [420, 190, 40, 34];
  const values = series
    .flatMap(({ y }) => y)
    .concat(band ? [...band.low, ...band.high] : [])
    .filter((v) => v !== null);
  const [low, high] = [Math.min(0, ...values), Math.max(1e-9, ...values)];
  const [first, last] = [x[0], x.at(-1)];
  const across_ = (value) =>
    left +
    ((value - first) / (last - first || 1)) * (width - left - 10) +
    (last === first ? (width - left) / 2 : 0);
  const up = (value) => 8 + (1 - (value - low) / (high - low || 1)) * (height - 8);
  const path = (ys) =>
    ys
      .map((y, i) =>
        y === null
          ? ""
          : `${i && ys[i - 1] !== null ? "L" : "M"}${across_(x[i]).toFixed(1)} ${up(y).toFixed(1)}`,
      )
      .join("");
  const chart = draw("svg", {
    viewBox: `0 0 ${width} ${height + foot}`,
    role: "img",
    "aria-label": description,
  });
  for (const value of ticks(low, high, 4)) {
    chart.append(draw("path", { class: "grid", d: `M${left} ${up(value)}H${width - 10}` }));
    chart.append(
      draw(
        "text",
        { x: left - 6, y: up(value) + 4, "text-anchor": "end" },
        String(Number(value.toPrecision(3))),
      ),
    );
  }
  for (const value of ticks(first, last, Math.min(6, x.length)).filter(Number.isInteger)) {
    chart.append(
      draw("text", { x: across_(value), y: height + 15, "text-anchor": "middle" }, String(value)),
    );
  }
  chart.append(
    draw("text", { x: (left + width) / 2, y: height + 30, "text-anchor": "middle" }, across),
  );
  if (marked !== undefined) {
    chart.append(
      draw("path", {
        class: "axis",
        "stroke-dasharray": "3 3",
        d: `M${across_(marked)} 8V${height}`,
      }),
    );
  }
  if (band) {
    const back = band.high.map((y, i) => [x[i], y]).reverse();
    const shape = `${path(band.low)}${back.map(([u, v]) => `L${across_(u).toFixed(1)} ${up(v).toFixed(1)}`).join("")}Z`;
    chart.append(draw("path", { d: shape, class: "column", opacity: 0.2 }));
  }
  series.forEach(({ y }, i) => {
    const style = {
      stroke: groupStyle(i).colour,
      "stroke-width": 2,
      fill: "none",
      "stroke-dasharray": LINE_STYLES[i % LINE_STYLES.length],
    };
    chart.append(draw("path", { d: path(y), ...style }));
    if (x.length < 40) {
      y.forEach(
        (value, j) =>
          value !== null &&
          chart.append(
            draw("circle", { cx: across_(x[j]), cy: up(value), r: 3, fill: style.stroke }),
          ),
      );
    }
  });
  return chart;
}

function lineKey(series) {
  return make(
    "p",
    {},
    series.map(({ name }, i) =>
      make(
        "span",
        { class: "key" },
        draw(
          "svg",
          { viewBox: "0 0 22 8", "aria-hidden": "true" },
          draw("path", {
            d: "M0 4H22",
            stroke: groupStyle(i).colour,
            "stroke-width": 2.5,
            "stroke-dasharray": LINE_STYLES[i % LINE_STYLES.length],
          }),
        ),
        name,
      ),
    ),
  );
}

// Small charts, drawn as SVG.

import { groupStyle } from "./colours.js";
import { draw, make } from "./elements.js";
import { brief, decimal, t } from "./language.js";

const LINE_STYLES = ["", "7 4", "2 3", "9 3 2 3"];

// Counts as columns, some of them with a label.
export function columnChart(counts, labels, description) {
  const [width, height, axisHeight] = [240, 66, 16];
  const highest = Math.max(1, ...counts);
  const step = width / counts.length;
  const chart = draw("svg", {
    viewBox: `0 0 ${width} ${height + axisHeight}`,
    role: "img",
    "aria-label": description,
  });
  chart.style.maxWidth = `${width + 40}px`;
  counts.forEach((count, i) => {
    const columnHeight = count ? Math.max(1.5, (count / highest) * (height - 12)) : 0;
    const box = {
      class: "column",
      x: i * step + 0.5,
      width: Math.max(1, step - 1),
      y: height - columnHeight,
      height: columnHeight,
    };
    chart.append(draw("rect", box, draw("title", {}, `${labels(i, true)}: ${count}`)));
    const label = labels(i, false);
    if (label)
      chart.append(
        draw("text", { x: (i + 0.5) * step, y: height + 13, "text-anchor": "middle" }, label),
      );
  });
  chart.append(draw("path", { class: "axis", d: `M0 ${height + 0.5}H${width}` }));
  chart.append(draw("text", { x: 0, y: 9 }, t("chart.max", { n: highest })));
  return chart;
}

export function hourChart(hours) {
  const busiest = hours.indexOf(Math.max(...hours));
  return columnChart(
    hours,
    (hour, full) =>
      full
        ? t("chart.hour_range", { from: hour, to: hour + 1 })
        : hour % 6 === 0
          ? String(hour)
          : "",
    t("chart.hours", { from: busiest, to: busiest + 1 }),
  );
}

// Names and counts as horizontal bars; long paths are cut at the beginning.
export function barChart(rows, paths = false) {
  const highest = Math.max(1, ...rows.map(([, count]) => count));
  return make(
    "div",
    { class: "bars" },
    rows
      .map(([name, count]) => {
        const bar = make("i");
        bar.style.width = `${(100 * count) / highest}%`;
        return [
          make(
            "span",
            { class: paths ? "label path" : "label", title: name },
            make("bdi", { dir: "ltr" }, name),
          ),
          make("span", { class: "track" }, bar),
          make("span", { class: "count" }, decimal(count, 0)),
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
  const values = [];
  for (let value = Math.ceil(low / step) * step; value <= high + 1e-9; value += step)
    values.push(value);
  return values;
}

// Lines over a horizontal axis. series: {name, y}; band: {low, high}; marked: a value of x.
export function lineChart({ x, series, band, marked, xLabel, description }) {
  const [width, height, left, axisHeight] = [420, 190, 40, 34];
  const values = series
    .flatMap(({ y }) => y)
    .concat(band ? [...band.low, ...band.high] : [])
    .filter((v) => v !== null);
  const [low, high] = [Math.min(0, ...values), Math.max(1e-9, ...values)];
  const [first, last] = [x[0], x.at(-1)];
  const xPosition = (value) =>
    left +
    ((value - first) / (last - first || 1)) * (width - left - 10) +
    (last === first ? (width - left) / 2 : 0);
  const yPosition = (value) => 8 + (1 - (value - low) / (high - low || 1)) * (height - 8);
  const path = (ys) =>
    ys
      .map((y, i) =>
        y === null
          ? ""
          : `${i && ys[i - 1] !== null ? "L" : "M"}${xPosition(x[i]).toFixed(1)} ${yPosition(y).toFixed(1)}`,
      )
      .join("");
  const chart = draw("svg", {
    viewBox: `0 0 ${width} ${height + axisHeight}`,
    role: "img",
    "aria-label": description,
  });
  for (const value of ticks(low, high, 4)) {
    chart.append(draw("path", { class: "grid", d: `M${left} ${yPosition(value)}H${width - 10}` }));
    chart.append(
      draw("text", { x: left - 6, y: yPosition(value) + 4, "text-anchor": "end" }, brief(value)),
    );
  }
  for (const value of ticks(first, last, Math.min(6, x.length)).filter(Number.isInteger)) {
    chart.append(
      draw("text", { x: xPosition(value), y: height + 15, "text-anchor": "middle" }, String(value)),
    );
  }
  chart.append(
    draw("text", { x: (left + width) / 2, y: height + 30, "text-anchor": "middle" }, xLabel),
  );
  if (marked !== undefined) {
    chart.append(
      draw("path", {
        class: "axis",
        "stroke-dasharray": "3 3",
        d: `M${xPosition(marked)} 8V${height}`,
      }),
    );
  }
  if (band) {
    const upperEdge = band.high.map((y, i) => [x[i], y]).reverse();
    const shape = `${path(band.low)}${upperEdge.map(([u, v]) => `L${xPosition(u).toFixed(1)} ${yPosition(v).toFixed(1)}`).join("")}Z`;
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
            draw("circle", { cx: xPosition(x[j]), cy: yPosition(value), r: 3, fill: style.stroke }),
          ),
      );
    }
  });
  return chart;
}

export function lineLegend(series) {
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

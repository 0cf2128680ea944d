import { h } from "preact";
import { useEffect, useRef } from "preact/hooks";
import htm from "htm";
import uPlot from "uplot";
import { short } from "./text.js";

const html = htm.bind(h);
const dark = matchMedia("(prefers-color-scheme: dark)");

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Chart draws lines over time: at are seconds, lines are [label, values]. */
export function Chart({ title, unit, at, lines, write = short }) {
  const place = useRef();
  const drawn = useRef();
  const labels = lines.map(([label]) => label).join();
  useEffect(() => {
    const draw = () => {
      drawn.current?.destroy();
      const ink = colour("--muted");
      const grid = { stroke: colour("--line"), width: 1 };
      const axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui, sans-serif" };
      drawn.current = new uPlot({
        width: place.current.clientWidth || 300,
        height: 170,
        cursor: { points: { size: 6 } },
        legend: { live: true },
        scales: { x: { time: true, range: (_, from, to) => [Math.min(from ?? 0, (to ?? 0) - 60), to ?? 60] }, y: { range: (_, low, high) => [0, Math.max((high ?? 0) * 1.1, 1)] } },
        axes: [{ ...axis, values: (_, all) => all.map((t) => new Date(t * 1000).toLocaleTimeString("en-GB")), space: 70 }, { ...axis, size: 68, values: (_, all) => all.map(write) }],
        series: [{ value: "{HH}:{mm}:{ss}" }, ...lines.map(([label], i) => ({
          label, stroke: colour(`--line-${(i % 8) + 1}`), width: 1.5, points: { show: false },
          value: (_, v) => (v == null ? "–" : write(v)),
        }))],
      }, [at, ...lines.map(([, values]) => values)], place.current);
    };
    draw();
    let frame;
    const size = new ResizeObserver(() => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => drawn.current?.setSize({ width: place.current.clientWidth, height: 170 }));
    });
    size.observe(place.current);
    dark.addEventListener("change", draw);
    return () => {
      size.disconnect();
      cancelAnimationFrame(frame);
      dark.removeEventListener("change", draw);
      drawn.current.destroy();
      drawn.current = null;
    };
  }, [labels]);
  useEffect(() => {
    drawn.current?.setData([at, ...lines.map(([, values]) => values)]);
  });
  const last = lines.map(([label, values]) => `${label} ${values.length ? write(values.at(-1) ?? 0) : "–"}`).join(", ");
  return html`<figure class="chart">
    <figcaption>${title}${unit && html` <span class="unit">${unit}</span>`}</figcaption>
    <div role="img" aria-label=${`${title}: now ${last}`} ref=${place}></div>
  </figure>`;
}

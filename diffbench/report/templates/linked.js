"use strict";
// One range of noise levels and one training step for all charts over the noise level: boxes, or a drag over any of them;
// and in numbers what each chart shows within the range.

{
  const RANGE = "sigma";
  const whole = named(RANGE)[0].param.value;
  const titles = JSON.parse(document.getElementById("curve-titles").textContent);
  const ends = ["low", "high"].map((end) => document.getElementById(`sigma-${end}`));
  const step = document.getElementById("step-choice");
  const told = document.getElementById("linked-told");
  const range = () => choices[RANGE]?.split(",").map(Number) ?? whole;

  function controls() {
    range().forEach((level, place) => (ends[place].value = level));
    if (step) step.value = choices.step ?? "";
    told.textContent = "";
    for (const { figure } of named(RANGE)) if (views[figure]) tellWithin(figure);
  }

  // What the reader typed, empty boxes meaning the end of the range.
  function typed() {
    const asked = ends.map((box, place) => (box.value === "" ? whole[place] : Number(box.value)));
    const { figure, param } = named(RANGE)[0];
    if (meaning(figure, param, String(asked))) choose(RANGE, asked);
    else told.textContent = `Levels rise within ${whole.join(" to ")}; the charts still show ${range().join(" to ")}.`;
  }

  // The panel of a chart at a place on the page: the noise level at each x. Vega names the scale as it does the panel.
  function panelAt(target, view) {
    const panel = target.closest('g[class$="_group"]');
    const place = panel?.querySelector(":scope > g")?.getScreenCTM();
    try {
      const scale = view.scale(panel.getAttribute("class").split(" ").at(-1).replace(/group$/, "x"));
      return (x) => Math.min(whole[1], Math.max(whole[0], Number(scale.invert((x - place.e) / place.a).toPrecision(3))));
    } catch {
      return undefined; // beside the panels
    }
  }

  // Fingers move the page: they have the boxes.
  function brush(canvas, figure) {
    let dragged;
    canvas.addEventListener("pointerdown", (event) => {
      const level = event.button === 0 && event.pointerType !== "touch" && panelAt(event.target, views[figure]);
      if (!level) return;
      dragged = { level, from: event.clientX };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", async ({ clientX }) => {
      if (!dragged || (!dragged.moving && Math.abs(clientX - dragged.from) < 4)) return;
      const drag = Object.assign(dragged, { to: clientX, moving: true });
      if (drag.drawing) return;
      drag.drawing = true;
      for (let seen; seen !== drag.to; ) {
        seen = drag.to;
        const [low, high] = [drag.level(drag.from), drag.level(seen)].sort((a, b) => a - b);
        if (low < high) await show(RANGE, `${low},${high}`);
      }
      drag.drawing = false;
      controls();
    });
    // Browsers let the address change only so often: it does when the drag ends.
    canvas.addEventListener("lostpointercapture", () => {
      if (dragged?.moving) choose(RANGE, range());
      dragged = undefined;
    });
    canvas.addEventListener("dblclick", () => choose(RANGE, undefined));
  }

  // Rows behind the dots and crosses of a chart as it is drawn, those of faded lines aside.
  function drawnRows(mark) {
    if (mark.marktype === "symbol") return mark.items.filter(({ opacity }) => !(opacity < 0.2)).map(({ datum }) => datum).filter((row) => row && "sigma" in row);
    return (mark.items ?? []).flatMap((item) => (item.items ?? []).flatMap(drawnRows));
  }

  function curvesWithin(figure) {
    const [low, high] = range();
    const curves = new Map();
    for (const row of drawnRows(views[figure].scenegraph().root)) {
      if (row.sigma < low || row.sigma > high) continue;
      const name = [titles[row.measure] ?? row.measure, row.line ?? row.series].filter(Boolean).join(", ");
      curves.set(name, [...(curves.get(name) ?? []), row]);
    }
    return curves;
  }

  const at = ({ value, low, high, sigma }) => `${number(value)} ${interval(low ?? NaN, high ?? NaN)} at σ ${Number(sigma.toPrecision(3))}`;

  const levels = (rows) => new Set(rows.map(({ sigma }) => sigma)).size; // of several seeds at one level, one

  function extremes(rows) {
    const defined = rows.filter(({ value }) => value !== null).sort((one, two) => one.value - two.value);
    return { defined, least: defined[0], largest: defined.at(-1) };
  }

  function tellWithin(figure) {
    const place = document.getElementById(figure);
    const curves = curvesWithin(figure);
    const all = extremes([...curves.values()].flat());
    const several = new Set([...curves.values()].flat().map(({ measure }) => measure)).size > 1;
    const where = range() === whole ? "Over all levels" : `Within σ ${range().join(" to ")}`;
    const name = (row) => [...curves].find(([, rows]) => rows.includes(row))[0];
    const words = (row) => `${at(row)} (${name(row)})`;
    const most = !all.defined.length ? "no value" : several ? "in numbers" : `largest ${words(all.largest)}, least ${words(all.least)}`;
    place.querySelector(".within summary").textContent = `${where}: ${most}`;
    const rows = [...curves].map(([curve, own]) => {
      const { defined, least, largest } = extremes(own);
      const reasons = [...new Set(own.filter(({ value }) => value === null).map(({ reason }) => reason))].filter(Boolean);
      const cells = defined.length ? [at(largest), at(least)] : ["undefined", "undefined"];
      return [curve, ...cells, [`${levels(defined)} of ${levels(own)} levels`, ...reasons].join("; ")];
    });
    place.querySelector(".within tbody").replaceChildren(...rows.map(([curve, ...cells]) => line(curve, cells)));
  }

  function line(name, cells) {
    const row = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { scope: "row", textContent: name });
    row.append(head, ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    return row;
  }

  for (const { figure } of named(RANGE)) {
    const canvas = document.querySelector(`[data-figure="${figure}"]`);
    canvas.classList.add("brushed");
    canvas.after(document.getElementById("within").content.cloneNode(true));
    brush(canvas, figure);
  }
  ends.forEach((box) => box.addEventListener("change", typed));
  step?.addEventListener("change", () => choose("step", step.value || undefined));
  const form = document.getElementById("linked");
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("sigma-whole").addEventListener("click", () => choose(RANGE, undefined));
  document.addEventListener("chosen", controls);
  document.addEventListener("drawn", ({ target }) => target.classList.contains("brushed") && tellWithin(target.dataset.figure));
  form.hidden = false;
  controls();
}

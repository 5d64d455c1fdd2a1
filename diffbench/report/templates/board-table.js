"use strict";
// Draws the rows of the table that are in sight, and room for the others above and below them.

const ROW_HEIGHT = 56; // pixels: that of a row in style.css
const BEYOND = 8; // rows drawn beyond what is in sight, on either side

function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false && value !== undefined && value !== "") made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...content.filter((each) => each !== "" && each !== null));
  return made;
}

class BoardTable {
  constructor(board, onSort) {
    this.board = board;
    this.onSort = onSort;
    this.table = document.getElementById("board");
    this.window = document.getElementById("window");
    this.measures = Object.fromEntries([...board.measures, SCORE].map((measure) => [measure.name, measure]));
    this.reaches = {};
    this.window.addEventListener("scroll", () => requestAnimationFrame(() => this.draw()), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.window);
    for (const [event, onPaper] of [["beforeprint", true], ["afterprint", false]]) {
      addEventListener(event, () => {
        this.onPaper = onPaper; // which has no window
        this.draw();
      });
    }
  }

  // view: as readView gives it; order: numbers of the rows to show.
  show(view, order) {
    Object.assign(this, { view, order, rows: this.board[view.rows], drawn: "" });
    this.factors = factorsOf(this.board, this.rows);
    this.columns = columnsOf(view).map((name) => this.measures[name]);
    this.table.setAttribute("aria-rowcount", order.length + 1);
    const [long, short] = matchMedia("(max-width: 760px)").matches ? [110, 74] : [150, 96];
    const widths = this.factors.map(({ values }) => (values.some((value) => String(value).length > 11) ? long : short));
    widths[0] = Math.max(widths[0], 96); // room for the flag
    this.table.style.width = `${widths.reduce((sum, width) => sum + width, 148 * this.columns.length)}px`;
    this.table.tHead.rows[0].replaceChildren(
      ...this.factors.map((factor, place) => this.header(factor.name, factor.title, widths[place])),
      ...this.columns.map((measure) => this.header(measure.name, measure.title, 148)),
    );
    this.draw();
  }

  header(name, title, width) {
    const [ascending, descending] = [this.view.sort === name, this.view.sort === `-${name}`];
    const button = element("button", { type: "button" }, title);
    button.addEventListener("click", () => this.onSort(descending ? name : `-${name}`, name));
    const sorted = ascending ? "ascending" : descending ? "descending" : undefined;
    return element("th", { scope: "col", style: `width:${width}px`, "data-name": name, "aria-sort": sorted }, button);
  }

  draw() {
    if (!this.order) return;
    const first = this.onPaper ? 0 : Math.max(0, Math.floor(this.window.scrollTop / ROW_HEIGHT) - BEYOND);
    const last = this.onPaper ? this.order.length : Math.min(this.order.length, first + Math.ceil(this.window.clientHeight / ROW_HEIGHT) + 2 * BEYOND);
    if (this.drawn === `${first} ${last}`) return;
    this.drawn = `${first} ${last}`;
    const lines = [];
    for (let place = first; place < last; place++) lines.push(this.line(this.order[place], place));
    const room = (rows) => (rows ? [element("tr", { class: "room", "aria-hidden": "true", style: `height:${rows * ROW_HEIGHT}px` })] : []);
    this.table.tBodies[0].replaceChildren(...room(first), ...lines, ...room(this.order.length - last));
  }

  line(row, place) {
    const { rows } = this;
    const cells = this.factors.map(({ name, values }, index) => {
      const text = typeof values[rows.factors[name][row]] === "number" && name !== "guidance"
        ? count(values[rows.factors[name][row]])
        : String(values[rows.factors[name][row]]);
      if (index) return element("td", { title: text.length > 14 && text }, element("span", { class: "name" }, text));
      const flag = rows.memorizes?.[row]
        ? element("span", { class: "flag", title: "memorized fraction above its floor with intervals apart" }, "memorizes")
        : "";
      return element("th", { scope: "row", title: text }, element("span", { class: "name" }, text), flag);
    });
    for (const measure of this.columns) cells.push(this.cell(measure, row));
    return element("tr", { class: rows.memorizes?.[row] ? "memorizes" : "", "aria-rowindex": place + 2 }, ...cells);
  }

  cell(measure, row) {
    const column = this.rows.column(measure.name);
    const value = column.value[row];
    const title = this.note(measure, column, row);
    if (Number.isNaN(value)) return element("td", {}, element("span", { class: "undefined", title }, "undefined"));
    const worse = measure.name === "skill_at_peak" && this.rows.overfitted?.[row];
    return element(
      "td",
      {},
      element("span", { class: Number.isFinite(value) ? "value" : "undefined", title }, number(value)),
      worse ? element("abbr", { class: "overfitted", title: "worse than a linear filter on unseen images: plain overfitting" }, " ▼") : "",
      this.rank(measure.name, row),
      element("span", { class: "interval" }, interval(column.low[row], column.high[row])),
      this.bar(measure, column, row),
    );
  }

  note(measure, column, row) {
    if (column.note) return column.note(row);
    const notes = [column.reason(row), `n = ${count(column.told("n", row))}`].filter(Boolean);
    const [seeds, of] = [column.told("seeds", row), column.told("of", row)];
    if (of > 1) notes.push(`${seeds} of ${of} seeds have a value`);
    const floor = this.rows.column(measure.floor);
    if (floor && !Number.isNaN(floor.value[row])) {
      notes.push(`floor ${number(floor.value[row])} ${interval(floor.low[row], floor.high[row])}`.trim());
    }
    return notes.join("; ");
  }

  rank(name, row) {
    const [group, low, high, n, reason] = this.rows.ranks?.[name]?.[row] ?? [];
    if (group === undefined) return "";
    if (group === null) return element("span", { class: "rank", title: reason }, "not ranked");
    const title = `group ${group}: not told apart from the best of it at 5 %, over ${n} seeds; rank ${low} to ${high}${reason ? `; ${reason}` : ""}`;
    return element("span", { class: "rank", title }, `G${group} · ${low === high ? low : `${low}–${high}`}`);
  }

  bar(measure, column, row) {
    const value = column.value[row];
    if (!Number.isFinite(value)) return "";
    const [least, most] = (this.reaches[`${this.view.rows} ${measure.name}`] ??= reachOf(measure, column));
    const at = (each) => Math.min(100, Math.max(0, (100 * (each - least)) / (most - least)));
    const svg = (name, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, text] of Object.entries(attributes)) made.setAttribute(key, text);
      return made;
    };
    const bar = svg("svg", { class: "bar", viewBox: "0 0 100 14", preserveAspectRatio: "none", "aria-hidden": "true" });
    const [start, end] = [Math.min(at(0), at(value)), Math.max(at(0), at(value))];
    bar.append(svg("rect", { class: "track", x: 0, y: 2, width: 100, height: 10 }));
    bar.append(svg("rect", { class: "fill", x: start, y: 2, width: end - start, height: 10 }));
    const [low, high] = [column.low[row], column.high[row]];
    if (!Number.isNaN(low) && !Number.isNaN(high)) bar.append(svg("path", { class: "whisker", d: `M${at(low)} 7H${at(high)}` }));
    const floor = this.rows.column(measure.floor)?.value[row];
    if (Number.isFinite(floor)) bar.append(svg("path", { class: "floor", d: `M${at(floor)} 0V14` }));
    return bar;
  }
}

"use strict";
// The leaderboard's table as the page holds it: JSON of columns, compressed. Read as typed arrays, undefined values as NaN.

async function readBoard() {
  const text = document.getElementById("board-data").textContent;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const board = JSON.parse(await new Response(stream).text());
  for (const rows of [board.settings, board.cells]) if (rows) prepare(rows, board.reasons);
  return board;
}

function prepare(rows, reasons) {
  rows.size = Object.values(rows.factors)[0].length;
  for (const column of Object.values(rows.columns)) {
    const numbers = (list) => Float64Array.from(list, (value) => (value === null ? NaN : Number(value)));
    const [value, below, above] = [column.value, column.below, column.above].map(numbers);
    column.value = value;
    column.low = value.map((each, row) => each - below[row]);
    column.high = value.map((each, row) => each + above[row]);
    column.told = (name, row) => (Array.isArray(column[name]) ? column[name][row] : column[name]);
    column.reason = (row) => reasons[column.reasons[row]] ?? "";
  }
}

// From where to where the bars of a measure run: shares from 0 to 1, all else as far as any row of it reaches.
function reachOf(measure, column) {
  if (measure.unit) return [0, 1];
  let [least, most] = [0, 0];
  for (const list of [column.value, column.low, column.high]) {
    for (const each of list) {
      if (Number.isFinite(each)) [least, most] = [Math.min(least, each), Math.max(most, each)];
    }
  }
  return most > least ? [least, most] : [0, 1];
}

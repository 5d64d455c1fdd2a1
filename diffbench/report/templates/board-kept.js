"use strict";
// Settings that the filters of the table leave out are pale in the chart of quality against memorization, also on paper.

const showKept = (() => {
  const place = document.querySelector("[data-figure=pareto]");
  let kept = false; // or, by the place of a setting in the board, whether it is kept

  function tell() {
    views.pareto?.signal("kept", kept).run();
  }

  if (place) new MutationObserver(tell).observe(place, { attributeFilter: ["data-drawn"] }); // it is drawn later, and in the dark anew
  return (board, view) => {
    if (!place) return;
    const rows = rowsOf(board, { ...view, rows: "settings" });
    kept = rows.length < board.settings.size && Object.fromEntries(rows.map((row) => [row, true]));
    tell();
  };
})();

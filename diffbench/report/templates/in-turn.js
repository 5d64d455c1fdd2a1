"use strict";
// In which turn charts are drawn: after the table of the page, first those in sight, then the others one by one while the
// browser has nothing else to do. So a page answers at once, and is whole soon after, also on paper.

const MARGIN = 200; // pixels beyond the window that count as in sight

function inSight(place) {
  const { top, bottom } = place.getBoundingClientRect();
  return place.offsetParent !== null && bottom > -MARGIN && top < innerHeight + MARGIN;
}

function atRest() {
  return new Promise((resolve) => ("requestIdleCallback" in window ? requestIdleCallback(resolve, { timeout: 500 }) : setTimeout(resolve, 50)));
}

async function* inTurn(places) {
  // By then the page stands where its address asks for.
  if (document.readyState !== "complete") await new Promise((resolve) => addEventListener("load", resolve, { once: true }));
  if (typeof boardShown !== "undefined") await boardShown;
  const left = new Set(places);
  while (left.size) {
    if (![...left].some(inSight)) await atRest();
    const next = [...left].find(inSight) ?? [...left][0];
    left.delete(next);
    yield next;
  }
}

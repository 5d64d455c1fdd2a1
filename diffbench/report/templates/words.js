"use strict";
// What charts say in words: tooltips, and names of marks for those who do not see them. What is undefined has no line there.

const NO_VALUE = /^(null|NaN|undefined|)$/;

function tipText(value, inHtml) {
  if (typeof value !== "object") return inHtml(value);
  const lines = Object.entries(value).filter(([, text]) => !NO_VALUE.test(text));
  const row = ([name, text]) => `<tr><td class="key">${inHtml(name)}</td><td class="value">${inHtml(text)}</td></tr>`;
  return `<table><tbody>${lines.map(row).join("")}</tbody></table>`;
}

// Vega names containers of marks by their first datum, and some not at all: screen readers are told of those with a name.
function nameMarks(place) {
  for (const mark of place.querySelectorAll("[aria-label*=': null'], [aria-label*=': NaN']")) {
    const said = mark.getAttribute("aria-label").split("; ").filter((part) => !/: (null|NaN)$/.test(part));
    if (said.length) mark.setAttribute("aria-label", said.join("; "));
    else mark.removeAttribute("aria-label");
  }
  for (const mark of place.querySelectorAll("[role=graphics-symbol]:not([aria-label], [aria-hidden])")) {
    mark.setAttribute("aria-hidden", "true");
  }
}

const changes = { childList: true, subtree: true, attributes: true, attributeFilter: ["aria-label"] };
for (const place of document.querySelectorAll("[data-figure]")) {
  new MutationObserver(() => nameMarks(place)).observe(place, changes);
}

"use strict";
// Draws the charts, in inks that suit the page's scheme.

const dark = matchMedia("(prefers-color-scheme: dark)");
const DARK_INKS = {
  title: { color: "#e6e9ee" },
  axis: { labelColor: "#c3cad3", titleColor: "#c3cad3" },
  legend: { labelColor: "#c3cad3", titleColor: "#c3cad3" },
  header: { labelColor: "#c3cad3", titleColor: "#c3cad3" },
};

function inDark(specification) {
  const config = { ...specification.config };
  for (const [part, inks] of Object.entries(DARK_INKS)) config[part] = { ...config[part], ...inks };
  return { ...specification, config };
}

// Vega gives containers of marks a role, and some of them no name: screen readers are told of those that have one.
function hideUnnamed(place) {
  for (const mark of place.querySelectorAll("[role=graphics-symbol]:not([aria-label])")) mark.setAttribute("aria-hidden", "true");
}

async function draw() {
  const specifications = JSON.parse(document.getElementById("specifications").textContent);
  const tooltip = { theme: dark.matches ? "dark" : "light" };
  for (const place of document.querySelectorAll("[data-figure]")) {
    const specification = specifications[place.dataset.figure];
    const shown = dark.matches ? inDark(specification) : specification;
    try {
      await vegaEmbed(place, shown, { actions: false, renderer: "svg", tooltip });
      hideUnnamed(place);
      place.dataset.drawn = "yes";
    } catch (error) {
      place.textContent = `This chart could not be drawn: ${error.message}`;
      console.error(place.dataset.figure, error);
    }
  }
}

draw();
dark.addEventListener("change", draw);

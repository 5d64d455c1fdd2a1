"use strict";
// Folds the navigation behind a button where the page is narrow; without scripts it stays open.

{
  const button = document.getElementById("menu");
  const pages = document.getElementById("site");
  const narrow = matchMedia("(max-width: 760px)");
  const open = (yes) => {
    button.setAttribute("aria-expanded", String(yes));
    pages.hidden = narrow.matches && !yes;
  };
  const fold = () => {
    button.hidden = !narrow.matches;
    open(false);
  };
  button.addEventListener("click", () => open(button.getAttribute("aria-expanded") !== "true"));
  pages.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !narrow.matches) return;
    open(false);
    button.focus();
  });
  narrow.addEventListener("change", fold);
  fold();
}

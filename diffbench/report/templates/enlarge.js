"use strict";
// Pictures side by side, large, in a dialog that Escape closes.

{
  const dialog = document.getElementById("enlarged");
  const enlarge = (figure) => {
    dialog.querySelector("div").replaceChildren(...[...figure.children].map((child) => child.cloneNode(true)));
    for (const button of dialog.querySelectorAll(".enlarge")) button.remove();
    dialog.showModal();
  };
  for (const button of document.querySelectorAll(".enlarge")) {
    const figure = button.closest("figure");
    button.hidden = false;
    button.addEventListener("click", () => enlarge(figure));
    for (const image of figure.querySelectorAll("img")) image.addEventListener("click", () => enlarge(figure));
  }
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
}

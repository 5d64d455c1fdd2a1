"use strict";
// Shows the pictures of the setting that the reader chooses; the choice lives in the page's address.

{
  const choice = document.getElementById("sheet-choice");
  const sheets = [...document.querySelectorAll(".sheet")];
  const show = () => {
    for (const sheet of sheets) sheet.hidden = sheet.id !== `sheet-${choice.value}`;
  };
  const follow = () => {
    const named = new URLSearchParams(location.hash.slice(1)).get("sheet");
    if ([...choice.options].some((option) => option.value === named)) choice.value = named;
    show();
  };
  choice.closest("p").hidden = false;
  choice.addEventListener("change", () => {
    history.replaceState(null, "", `#sheet=${choice.value}`);
    show();
  });
  addEventListener("hashchange", follow);
  follow();
}

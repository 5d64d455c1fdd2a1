"use strict";
// Shows the pictures that the reader chooses in select boxes; the choices live in the page's address.

{
  const choices = [...document.querySelectorAll("select[data-shows]")];
  const show = () => {
    for (const choice of choices) {
      for (const each of document.querySelectorAll(`.${choice.dataset.shows}`)) {
        each.hidden = each.dataset.number !== choice.value;
      }
    }
  };
  const follow = () => {
    const named = new URLSearchParams(location.hash.slice(1));
    for (const choice of choices) {
      const value = named.get(choice.dataset.shows);
      if ([...choice.options].some((option) => option.value === value)) choice.value = value;
    }
    show();
  };
  for (const choice of choices) {
    choice.closest("p").hidden = false;
    choice.addEventListener("change", () => {
      const chosen = new URLSearchParams(choices.map((each) => [each.dataset.shows, each.value]));
      history.replaceState(null, "", `#${chosen}`);
      show();
    });
  }
  addEventListener("hashchange", follow);
  follow();
}

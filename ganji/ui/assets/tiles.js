// A click on anything with data-pick says so to the server.
element.addEventListener("click", (event) => {
  const tile = event.target.closest("[data-pick]");
  if (tile && !tile.disabled) trigger("select", { pick: tile.dataset.pick });
});

// Keeps the page's address on the picture that is shown, so that the address is a link to it.
const follow = () => {
  const shown = element.querySelector("[data-recipe]");
  if (!shown) return;
  const kept = [...new URLSearchParams(location.search)].filter(([name]) => name.startsWith("__"));
  const own = new URLSearchParams(kept).toString();
  const query = [own, shown.dataset.recipe].filter(Boolean).join("&");
  history.replaceState(history.state, "", `${location.pathname}?${query}`);
  // On huggingface.co the page is a frame; this is how its address bar is told.
  if (window.parent !== window) window.parent.postMessage({ queryString: query }, "https://huggingface.co");
};
watch("value", follow);
// On a phone the picture scrolls away; the stylesheet keeps a small one in view as long as this says so.
new IntersectionObserver(([seen]) => element.classList.toggle("away", !seen.isIntersecting)).observe(element);

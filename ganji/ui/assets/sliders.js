// Ranges whose values are one list: {n: number of the sending, v: [...], done: whether the move has ended}.
const ranges = () => [...element.querySelectorAll("input[type=range]")];

const paint = (range) => {
  const value = Number(range.value);
  const share = (value - Number(range.min)) / (Number(range.max) - Number(range.min));
  range.style.setProperty("--from", `${Math.min(share, 0.5) * 100}%`);
  range.style.setProperty("--to", `${Math.max(share, 0.5) * 100}%`);
  const row = range.closest(".slide");
  row.querySelector("output").textContent = value > 0 ? `+${value}` : `${value}`;
  row.querySelector("button").disabled = value === 0;
};

const send = (done) => {
  props.value = { n: props.value.n, v: ranges().map((range) => Number(range.value)), done };
  trigger("input");
};

// A move ends when the slider is let go; with the arrow keys, when they rest or the slider is left.
const REST = 400; // ms
let resting = null;
let byKey = false;
const end = () => {
  clearTimeout(resting);
  resting = null;
  send(true);
};

element.addEventListener("keydown", () => (byKey = true));
element.addEventListener("pointerdown", () => (byKey = false));
element.addEventListener("input", (event) => {
  if (event.target.type !== "range") return;
  clearTimeout(resting);
  paint(event.target);
  send(false);
});
element.addEventListener("change", (event) => {
  if (event.target.type !== "range") return;
  clearTimeout(resting);
  if (byKey) resting = setTimeout(end, REST);
  else end();
});
element.addEventListener("focusout", () => resting !== null && end());
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-reset]");
  if (!button) return;
  const range = button.closest(".slide").querySelector("input");
  range.value = 0;
  paint(range);
  range.focus();
  end();
});

const follow = () =>
  ranges().forEach((range, k) => {
    range.value = props.value?.v?.[k] ?? 0;
    paint(range);
  });
watch("value", follow); // whatever the server sends has a new number, so this is never missed
follow();

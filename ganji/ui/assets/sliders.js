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

element.addEventListener("input", (event) => {
  if (event.target.type !== "range") return;
  paint(event.target);
  send(false);
});
element.addEventListener("change", (event) => {
  if (event.target.type === "range") send(true);
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-reset]");
  if (!button) return;
  const range = button.closest(".slide").querySelector("input");
  range.value = 0;
  paint(range);
  range.focus();
  send(true);
});

const follow = () =>
  ranges().forEach((range, k) => {
    range.value = props.value?.v?.[k] ?? 0;
    paint(range);
  });
watch("value", follow); // whatever the server sends has a new number, so this is never missed
follow();

// Three marks on a photo: a click puts the next one there; they can be dragged, and moved with the arrow keys.
let next = 0;
let dragged = null;
const marks = () => [...element.querySelectorAll(".mark")];
const board = () => element.querySelector(".board");

const tell = () => {
  const places = marks().map((mark) => [parseFloat(mark.style.left) / 100, parseFloat(mark.style.top) / 100]);
  props.value = { ...props.value, places };
};
const put = (mark, x, y) => {
  mark.style.left = `${Math.min(100, Math.max(0, x))}%`;
  mark.style.top = `${Math.min(100, Math.max(0, y))}%`;
  tell();
};
const putAt = (mark, event) => {
  const box = board().getBoundingClientRect();
  put(mark, ((event.clientX - box.left) / box.width) * 100, ((event.clientY - box.top) / box.height) * 100);
};
const showNext = () => marks().forEach((mark, k) => mark.classList.toggle("next", k === next));

element.addEventListener("pointerdown", (event) => {
  if (!event.target.closest(".board")) return;
  event.preventDefault();
  dragged = event.target.closest(".mark");
  if (!dragged) {
    dragged = marks()[next];
    putAt(dragged, event);
  }
  next = (marks().indexOf(dragged) + 1) % 3;
  showNext();
  dragged.focus();
  dragged.setPointerCapture(event.pointerId);
});
element.addEventListener("pointermove", (event) => {
  if (dragged) putAt(dragged, event);
});
["pointerup", "pointercancel"].forEach((name) => element.addEventListener(name, () => (dragged = null)));

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
element.addEventListener("keydown", (event) => {
  const mark = event.target.closest(".mark");
  const step = STEPS[event.key];
  if (!mark || !step) return;
  event.preventDefault();
  const length = event.shiftKey ? 4 : 0.5;
  put(mark, parseFloat(mark.style.left) + step[0] * length, parseFloat(mark.style.top) + step[1] * length);
});
watch("value", () => {
  next = 0;
  if (board()) {
    showNext();
    tell();
  }
});

"use strict";

// Makes a chart readable by pointer and keyboard, and synchronizes it with its video.
// Without this script, the charts are drawn but show no values.
function makeReadable(figure) {
  const data = JSON.parse(figure.dataset.chart);
  const lines = data.lines.map((line) => ({ x: line.x || data.x, y: line.y }));
  const positions = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  const plot = figure.querySelector(".plot");
  const valueLabels = [...figure.querySelectorAll(".legend b")];
  const names = [...figure.querySelectorAll(".legend li")].map((item) => item.textContent.trim());
  const axis = figure.querySelector(".axis");
  const axisLabel = axis.textContent;
  const video = figure.dataset.video ? document.getElementById(figure.dataset.video) : null;
  const cursor = Object.assign(document.createElement("div"), { className: "cursor", hidden: true });
  plot.append(cursor);
  let index = 0;

  function format(value, digits = 4) {
    return value === null ? "–" : value.toLocaleString("en", { maximumSignificantDigits: digits });
  }

  // Index of the value in sorted xs that is nearest to x.
  function findNearest(xs, x) {
    let low = 0;
    let high = xs.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle; else high = middle;
    }
    return x - xs[low] <= xs[high] - x ? low : high;
  }

  // Shows the values at positions[newIndex] in the legend, and as one sentence for screen readers.
  function show(newIndex) {
    index = Math.max(0, Math.min(positions.length - 1, newIndex));
    const x = positions[index];
    const values = lines.map((line) => {
      const isOutside = x < line.x[0] || x > line.x[line.x.length - 1];
      return isOutside ? null : line.y[findNearest(line.x, x)];
    });
    cursor.style.left = 100 * (x - data.low) / (data.high - data.low) + "%";
    cursor.hidden = false;
    values.forEach((value, number) => { valueLabels[number].textContent = format(value); });
    const position = format(x, 9);
    axis.replaceChildren(axisLabel + ": ", Object.assign(document.createElement("b"), { textContent: position }));
    const sentence = names.map((name, number) => name + " " + format(values[number])).join(", ");
    plot.setAttribute("aria-valuenow", x);
    plot.setAttribute("aria-valuetext", axisLabel + " " + position + ": " + sentence);
  }

  function hide() {
    cursor.hidden = true;
    valueLabels.forEach((label) => { label.textContent = ""; });
    axis.textContent = axisLabel;
  }

  function showNearest(x) {
    show(findNearest(positions, x));
  }

  function getPointerPosition(event) {
    const box = plot.getBoundingClientRect();
    return data.low + (data.high - data.low) * (event.clientX - box.left) / box.width;
  }

  function seekVideo() {
    if (video) video.currentTime = positions[index];
  }

  plot.tabIndex = 0;
  plot.setAttribute("role", "slider");
  plot.setAttribute("aria-label", figure.querySelector("svg").getAttribute("aria-label"));
  plot.setAttribute("aria-valuemin", data.low);
  plot.setAttribute("aria-valuemax", data.high);
  plot.setAttribute("aria-valuenow", data.low);
  plot.addEventListener("pointermove", (event) => showNearest(getPointerPosition(event)));
  plot.addEventListener("pointerleave", () => { if (document.activeElement !== plot) hide(); });
  plot.addEventListener("click", (event) => { showNearest(getPointerPosition(event)); seekVideo(); });
  plot.addEventListener("focus", () => show(index));
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.round(positions.length / 10));
    const targets = {
      ArrowLeft: index - 1, ArrowDown: index - 1, ArrowRight: index + 1, ArrowUp: index + 1,
      PageDown: index - page, PageUp: index + page, Home: 0, End: positions.length - 1,
    };
    if (event.key in targets) {
      show(targets[event.key]);
      event.preventDefault();
    } else if (event.key === "Enter") {
      seekVideo();
    }
  });

  if (video) {
    const follow = () => { if (video.currentTime >= positions[0]) showNearest(video.currentTime); else hide(); };
    const followWhilePlaying = () => {
      follow();
      if (!video.paused && !video.ended) requestAnimationFrame(followWhilePlaying);
    };
    video.addEventListener("play", followWhilePlaying);
    video.addEventListener("seeked", follow);
  }
}

document.querySelectorAll("[data-chart]").forEach(makeReadable);

// Print collapsed sections too: they cannot be opened on paper.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
});

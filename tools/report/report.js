"use strict";

// A chart can be read by pointer and by keyboard, and follows the film that it belongs to. Without this script all is still drawn.
function readable(figure) {
  const told = JSON.parse(figure.dataset.chart);
  const lines = told.lines.map((line) => ({ x: line.x || told.x, y: line.y }));
  const places = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  const plot = figure.querySelector(".plot");
  const numbers = [...figure.querySelectorAll(".legend b")];
  const names = [...figure.querySelectorAll(".legend li")].map((item) => item.textContent.trim());
  const axis = figure.querySelector(".axis");
  const label = axis.textContent;
  const film = figure.dataset.film ? document.getElementById(figure.dataset.film) : null;
  const cursor = Object.assign(document.createElement("div"), { className: "cursor", hidden: true });
  plot.append(cursor);
  let index = 0;

  const write = (value, digits) => (value === null ? "–" : value.toLocaleString("en", { maximumSignificantDigits: digits || 4 }));

  function nearest(xs, x) {
    let low = 0;
    let high = xs.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle; else high = middle;
    }
    return x - xs[low] <= xs[high] - x ? low : high;
  }

  // What each line says at the place, as its legend and as one sentence.
  function show(place) {
    index = Math.max(0, Math.min(places.length - 1, place));
    const x = places[index];
    const values = lines.map((line) => {
      const outside = x < line.x[0] || x > line.x[line.x.length - 1];
      return outside ? null : line.y[nearest(line.x, x)];
    });
    cursor.style.left = 100 * (x - told.low) / (told.high - told.low) + "%";
    cursor.hidden = false;
    values.forEach((value, number) => { numbers[number].textContent = write(value); });
    axis.replaceChildren(label + ": ", Object.assign(document.createElement("b"), { textContent: write(x, 9) }));
    plot.setAttribute("aria-valuenow", x);
    plot.setAttribute("aria-valuetext", label + " " + write(x, 9) + ": " + names.map((name, number) => name + " " + write(values[number])).join(", "));
  }

  function hide() {
    cursor.hidden = true;
    numbers.forEach((number) => { number.textContent = ""; });
    axis.textContent = label;
  }

  const to = (x) => show(nearest(places, x));
  const under = (event) => {
    const box = plot.getBoundingClientRect();
    return told.low + (told.high - told.low) * (event.clientX - box.left) / box.width;
  };
  const seek = () => { if (film) film.currentTime = places[index]; };

  plot.tabIndex = 0;
  plot.setAttribute("role", "slider");
  plot.setAttribute("aria-label", figure.querySelector("svg").getAttribute("aria-label"));
  plot.setAttribute("aria-valuemin", told.low);
  plot.setAttribute("aria-valuemax", told.high);
  plot.setAttribute("aria-valuenow", told.low);
  plot.addEventListener("pointermove", (event) => to(under(event)));
  plot.addEventListener("pointerleave", () => { if (document.activeElement !== plot) hide(); });
  plot.addEventListener("click", (event) => { to(under(event)); seek(); });
  plot.addEventListener("focus", () => show(index));
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const far = Math.max(1, Math.round(places.length / 10));
    const ways = { ArrowLeft: index - 1, ArrowDown: index - 1, ArrowRight: index + 1, ArrowUp: index + 1,
      PageDown: index - far, PageUp: index + far, Home: 0, End: places.length - 1 };
    if (event.key in ways) {
      show(ways[event.key]);
      event.preventDefault();
    } else if (event.key === "Enter") {
      seek();
    }
  });
  if (film) {
    const follow = () => { if (film.currentTime >= places[0]) to(film.currentTime); else hide(); };
    const run = () => { follow(); if (!film.paused && !film.ended) requestAnimationFrame(run); };
    film.addEventListener("play", run);
    film.addEventListener("seeked", follow);
  }
}

document.querySelectorAll("[data-chart]").forEach(readable);
// On paper nothing can be opened.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));

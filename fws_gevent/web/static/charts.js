// The presentation of data: numbers with units, untrusted text, tables and charts.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const count = (value) => whole.format(value);

function short(value) {
  return value < 99.95 ? tenths.format(value) : whole.format(value);
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let index = 0;
  let rest = value;
  while (rest >= 1000 && index < units.length - 1) { // 1000, so that no number has four digits
    rest /= 1024;
    index += 1;
  }
  return `${index ? short(rest) : whole.format(rest)} ${units[index]}`;
}

// A small rate is never shown as 0.
export const perSecond = (value) => (value > 0 && value < 0.05 ? "< 0.1/s" : `${short(value)}/s`);
export function bytesPerSecond(value) {
  return value > 0 && value < 0.5 ? "< 1 B/s" : `${bytes(value)}/s`;
}

// The time of one call, in seconds.
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 999.5e-6) return `${short(seconds * 1e6)} µs`;
  if (seconds < 0.9995) return `${short(seconds * 1e3)} ms`;
  return `${short(seconds)} s`;
}

// An elapsed time, in its two largest units.
export function span(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(total / 86400), "d"],
    [Math.floor(total / 3600) % 24, "h"],
    [Math.floor(total / 60) % 60, "min"],
    [total % 60, "s"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([amount]) => amount > 0);
  return shown.map(([amount, unit]) => `${whole.format(amount)} ${unit}`).join(" ");
}

const LONGEST_TEXT = 500;
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const calendar = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });

// Text and tables. Only changed elements are written, so that focus, selection and scroll stay.

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setTitle(element, text) {
  if (element.title !== text) element.title = text;
}

export function setData(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

// Untrusted text: invisible characters, and those that change the direction of a line, are escaped:
// Bidi marks, line ends, control characters, and lone surrogates.
export function foreign(text) {
  const unsafe = /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;
  const written = (letter) => `\\u${letter.codePointAt(0).toString(16).padStart(4, "0")}`;
  const letters = Array.from(String(text ?? "").replace(unsafe, written));
  if (letters.length <= LONGEST_TEXT) return letters.join("");
  return `${letters.slice(0, LONGEST_TEXT).join("")}…`;
}

export function nameCell(text, note = "") {
  const shown = foreign(text);
  return { text: shown || "–", note, title: shown || "empty" };
}

// `package.module.Shout` is shown as Shout, with its module behind it.
export function splitName(name) {
  const dot = name.lastIndexOf(".");
  return [name.slice(dot + 1) || name, name.slice(0, Math.max(0, dot))];
}

export function timeCell(seconds) {
  const date = new Date(seconds * 1000);
  return { text: clock.format(date), title: calendar.format(date) };
}

function make(tag, role = "", ...parts) {
  const element = document.createElement(tag);
  if (role) element.setAttribute("role", role);
  element.append(...parts);
  return element;
}

// Explicit roles: a table that CSS reflows on a phone loses its roles in some browsers.
function makeCell(head, isFirst) {
  const role = isFirst ? "rowheader" : "cell";
  const cell = make(isFirst ? "th" : "td", role, make("bdi"), make("small"));
  if (isFirst) cell.scope = "row";
  cell.dataset.label = head.textContent;
  cell.dataset.kind = head.dataset.kind ?? "number";
  return cell;
}

// The content of a cell is a text or an object.
function fillCell(cell, content) {
  const parts = typeof content === "string" ? { text: content } : content;
  setText(cell.firstElementChild, parts.text);
  setText(cell.lastElementChild, parts.note ?? "");
  setTitle(cell, parts.title ?? "");
  setData(cell, "level", parts.level ?? "");
}

export function fillTable(table, rows) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  while (body.rows.length > rows.length) body.lastElementChild.remove();
  while (body.rows.length < rows.length) {
    body.append(make("tr", "row", ...heads.map((head, index) => makeCell(head, index === 0))));
  }
  rows.forEach((row, at) => {
    row.forEach((cell, index) => fillCell(body.rows[at].cells[index], cell));
  });
  table.hidden = rows.length === 0;
  if (table.nextElementSibling) table.nextElementSibling.hidden = rows.length > 0;
}

export function fillList(list, tag, texts) {
  while (list.children.length > texts.length) list.lastElementChild.remove();
  while (list.children.length < texts.length) list.append(make(tag));
  texts.forEach((text, index) => {
    setText(list.children[index], text);
    setTitle(list.children[index], text);
  });
}

// A fact: a short value, its meaning, and its level.
export function fillFact(place, value, note, level = "") {
  if (!place.firstElementChild) place.append(make("b"), make("small"));
  setText(place.firstElementChild, value);
  setText(place.lastElementChild, note);
  setTitle(place, note);
  setData(place, "level", level);
}

// Charts.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100;

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function label(name) {
  const element = document.createElement("span");
  element.className = name;
  element.setAttribute("aria-hidden", "true"); // the label of the drawing has the same text
  return element;
}

// The next of 1, 2, 5, 10, 20, 50, … so that the scale changes rarely; bytes in powers of 1024.
function roundUp(value, base) {
  let unit = 1;
  while (base === 1024 && value > 500 * unit) unit *= 1024;
  const power = 10 ** Math.floor(Math.log10(value / unit));
  const step = [1, 2, 5, 10].find((each) => value / unit <= each * power * 1.000001);
  return step * power * unit;
}

// A line for each of `names`; the newest value is at the right edge, also while there are few.
export class Chart {
  constructor(place, { title, names, format, least = 1, base = 10 }) {
    Object.assign(this, { title, names, format, least, base });
    this.svg = draw("svg", { role: "img", preserveAspectRatio: "none" });
    this.grid = draw("path", { class: "grid" });
    this.area = draw("path", { class: "area", "data-line": names.at(-1) });
    this.lines = names.map((name) => draw("path", { class: "line", "data-line": name }));
    this.svg.append(this.grid, this.area, ...this.lines);
    this.top = label("top");
    this.range = label("range");
    place.append(this.top, this.svg, this.range);
  }

  show(series, step, capacity) {
    const highest = Math.max(this.least, ...series.flat());
    const top = roundUp(highest, this.base);
    const width = capacity - 1;
    const past = `last ${span(step * capacity)}`;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.grid.setAttribute("d", `M0 0H${width}M0 ${HEIGHT / 2}H${width}M0 ${HEIGHT}H${width}`);
    const paths = series.map((values) => path(values, width, top));
    this.lines.forEach((line, index) => line.setAttribute("d", paths[index]));
    this.area.setAttribute("d", closed(paths.at(-1), series.at(-1), width));
    this.top.textContent = this.format(top);
    this.range.textContent = past;
    this.svg.setAttribute("aria-label", `${this.title}, ${past}: ${this.inWords(series)}`);
  }

  inWords(series) {
    const words = series.map((values, index) => {
      if (values.length === 0) return `${this.names[index]} not known yet`;
      const [low, high] = [Math.min(...values), Math.max(...values)].map(this.format);
      return `${this.names[index]} ${this.format(values.at(-1))}, from ${low} to ${high}`;
    });
    return words.join("; ");
  }
}

function path(values, width, top) {
  const start = width - values.length + 1;
  const points = values.map((value, index) => {
    return `${start + index} ${(HEIGHT * (1 - value / top)).toFixed(2)}`;
  });
  if (points.length === 1) points.push(points[0]); // a dot, by its round ends
  return points.length ? `M${points.join("L")}` : "";
}

function closed(line, values, width) {
  return line && `${line}V${HEIGHT}H${width - values.length + 1}Z`;
}

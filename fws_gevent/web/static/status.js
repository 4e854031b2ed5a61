// The status page: shows the data of the server, and the state of the server in a few words.

import {
  Chart, bytes, bytesPerSecond, count, duration, fillFact, fillList, fillTable, foreign, nameCell,
  perSecond, setData, setText, setTitle, span, splitName, timeCell,
} from "./charts.js";
import { Link, POLL_EVERY } from "./link.js";

const STALE_AFTER = 12_000;
const FRESH_FOR = 3_500; // data that is older is shown with its age
const POINTS = 150;
const MOST_DROPS = 4;

const get = (id) => document.getElementById(id);
const { title, dataUrl, livePath } = document.body.dataset;

// The state of the page. render() and judge() show it.
let data = null; // the last answer of the server
let history = null;
const link = new Link({ dataUrl, livePath, take, changed: showState });

// The data of the server.

const charts = {
  connections: new Chart(get("connections-chart"), {
    title: "Connections", names: ["now"], format: count,
  }),
  messages: new Chart(get("messages-chart"), {
    title: "Messages", names: ["in", "out"], format: perSecond,
  }),
  bytes: new Chart(get("bytes-chart"), {
    title: "Bytes", names: ["in", "out"], format: bytesPerSecond, least: 1024, base: 1024,
  }),
};

// Some answers contain the whole history; the others add a point to it.
function remember() {
  if (data.history) {
    history = data.history;
    return;
  }
  if (history === null) return;
  const latest = { connections: data.connections.now, ...data.rates };
  for (const [name, value] of Object.entries(latest)) {
    history[name]?.push(value);
    if (history[name]?.length > POINTS) history[name].shift();
  }
}

function inAll(format, inwards, outwards) {
  return `${format(inwards)} in, ${format(outwards)} out in all`;
}

function renderTraffic() {
  const { connections, rates, totals } = data;
  setText(get("connections"), count(connections.now));
  setText(get("messages-in"), perSecond(rates.messages_in));
  setText(get("messages-out"), perSecond(rates.messages_out));
  setText(get("bytes-in"), bytesPerSecond(rates.bytes_in));
  setText(get("bytes-out"), bytesPerSecond(rates.bytes_out));
  setText(get("limit"), count(connections.limit ?? 0));
  get("limit").parentElement.hidden = !connections.limit;
  const { opened, closed } = connections;
  setText(get("connections-total"), `${count(opened)} opened, ${count(closed)} closed`);
  setText(get("messages-total"), inAll(count, totals.messages_in, totals.messages_out));
  setText(get("bytes-total"), inAll(bytes, totals.bytes_in, totals.bytes_out));
  if (history === null) return;
  const { step } = history;
  charts.connections.show([history.connections], step, POINTS);
  charts.messages.show([history.messages_in, history.messages_out], step, POINTS);
  charts.bytes.show([history.bytes_in, history.bytes_out], step, POINTS);
}

const AUTH = {
  off: ["Off", "everybody may connect"],
  optional: ["Optional", "a token is checked if one is given"],
  required: ["Required", "only with a valid token"],
};

function renderFacts() {
  const { storage, runners, losses, tokens } = data;
  const fact = (id, ...parts) => fillFact(get(id), ...parts);
  const sharing = storage.shared ? "shared by the nodes" : "not shared";
  const where = `${foreign(storage.name)}, ${sharing}`;
  fact("storage", storage.healthy ? "Healthy" : "Down", where, storage.healthy ? "good" : "bad");
  const [most, level] = allBlocked() ? ["all of", "bad"] : ["of", ""];
  fact("runners", count(runners.blocked), `${most} ${count(runners.limit)}`, level);
  fact("slow", count(losses.slow), "read too slowly, code 1013");
  fact("silent", count(losses.keepalive), "answered no ping");
  fact("gaps", count(losses.gaps), `storage lost ${count(losses.storage)} times`);
  fact("auth", ...(AUTH[data.auth] ?? [foreign(data.auth), ""]));
  const others = `${count(tokens.refused)} refused, ${count(tokens.revoked)} revoked`;
  fact("tokens", count(tokens.issued), others);
}

function renderWarnings() {
  get("warnings").hidden = data.warnings.length === 0;
  fillList(get("warnings").querySelector("ul"), "li", data.warnings.map(foreign));
}

const NODE_LEVELS = { serving: ["Serving", "good"], draining: ["Draining", "warn"] };

function nodeRow(node) {
  const [text, level] = NODE_LEVELS[node.state] ?? [foreign(node.state), "bad"];
  const name = nameCell(node.name, node.this ? "this one" : "");
  return [name, { text, level, title: text }, span(node.uptime), count(node.connections)];
}

function renderNodes() {
  get("nodes").hidden = data.nodes.length < 2; // the banner describes a single node
  fillTable(get("nodes-table"), data.nodes.map(nodeRow));
}

function timing(seconds) {
  return { text: duration(seconds), title: seconds === null ? "not sampled yet" : "" };
}

function filterRow(each) {
  const [short, module] = splitName(each.name);
  return [
    { ...nameCell(short, foreign(module)), title: foreign(each.name) },
    count(each.calls),
    timing(each.p50),
    timing(each.p99),
    { text: count(each.errors), level: each.errors ? "bad" : "" },
    { text: count(each.stops), level: each.stops ? "note" : "" },
  ];
}

// The filters that dropped events, with their numbers, the largest first.
function dropsOf(filters) {
  const stops = filters.filter((each) => each.stops > 0).sort((a, b) => b.stops - a.stops);
  const drops = stops.slice(0, MOST_DROPS).map((each) => {
    return `dropped by ${foreign(splitName(each.name)[0])}: ${count(each.stops)}`;
  });
  if (stops.length > MOST_DROPS) drops.push(`and by ${stops.length - MOST_DROPS} more`);
  return drops;
}

function renderChain(place, chain) {
  const name = foreign(chain.name);
  const events = `${count(chain.events)} ${chain.events === 1 ? "event" : "events"}`;
  setText(place.querySelector(".name"), name);
  setTitle(place.querySelector(".name"), name);
  setText(place.querySelector(".count"), chain.filters.length ? events : `${events}, no filters`);
  setText(place.querySelector("caption"), `The filters of the chain ${name}, in their order`);
  fillTable(place.querySelector("table"), chain.filters.map(filterRow));
  const drops = dropsOf(chain.filters);
  fillList(place.querySelector(".drops"), "bdi", drops);
  place.querySelector(".drops").hidden = drops.length === 0;
}

function renderChains() {
  const { chains } = data;
  const place = get("chains");
  while (place.children.length > chains.length) place.lastElementChild.remove();
  while (place.children.length < chains.length) {
    place.append(get("chain").content.cloneNode(true));
  }
  chains.forEach((chain, index) => renderChain(place.children[index], chain));
  place.hidden = chains.length === 0;
  get("no-chains").hidden = chains.length > 0;
}

function renderLists() {
  const { groups, closes, recent_closes: recent } = data;
  const most = groups.largest.length;
  const cut = groups.count > most ? `, the largest ${count(most)} are shown` : "";
  setText(get("groups-count"), `${count(groups.count)}${cut}`);
  const groupRow = (each) => [nameCell(each.name), count(each.size)];
  const closeRow = (each) => [String(each.code), nameCell(each.meaning), count(each.count)];
  const recentRow = (each) => [timeCell(each.time), String(each.code), nameCell(each.reason)];
  fillTable(get("groups-table"), groups.largest.map(groupRow));
  fillTable(get("closes-table"), closes.map(closeRow));
  fillTable(get("recent-table"), recent.map(recentRow));
}

function render() {
  setText(get("version"), `version ${foreign(data.version)}`);
  renderWarnings();
  renderTraffic();
  renderFacts();
  renderNodes();
  renderChains();
  renderLists();
  get("figures").hidden = false;
}

// The verdict.

const age = () => Math.max(0, Date.now() - link.heardAt);
const allBlocked = () => data.runners.limit > 0 && data.runners.blocked >= data.runners.limit;
const isFull = () => data.connections.limit > 0 && data.connections.now >= data.connections.limit;

// Level, words and explanation; the worst comes first.
function judge() {
  if (link.mode === "signed-out") {
    return ["unknown", "Signed out", "The server sends no more data to this page."];
  }
  if (link.mode === "paused") return ["unknown", "Paused", "The page is not visible."];
  if (link.trouble) return ["bad", "Not connected to the server", link.trouble];
  if (link.mode === "waiting") return ["unknown", "Connecting…", ""];
  if (age() > STALE_AFTER) return ["bad", "Not connected to the server", "It does not answer."];
  return judgeServer();
}

function judgeServer() {
  if (!data.storage.healthy) {
    return ["bad", "Storage is down", "Filters that use it fail until it is back."];
  }
  if (allBlocked()) return ["bad", "Stuck", "Filters block all runners, so connections wait."];
  if (data.state === "draining") return ["warn", "Draining", "It takes no new connections."];
  if (data.state !== "serving") return ["warn", foreign(data.state), ""];
  if (isFull()) return ["warn", "Full", "The limit of connections is reached."];
  return ["good", "Working", ""];
}

const SYMBOLS = { good: "●", warn: "▲", bad: "✖", unknown: "○" };

function aboutServer() {
  if (data === null) return "";
  const here = data.nodes.find((node) => node.this);
  const parts = here ? [foreign(here.name), `up ${span(here.uptime)}`] : [];
  const serving = data.nodes.filter((node) => node.state === "serving").length;
  const nodes = data.nodes.length;
  if (nodes > 1) parts.push(`${count(serving)} of ${count(nodes)} nodes serving`);
  const warnings = data.warnings.length;
  if (warnings > 0) parts.push(warnings === 1 ? "1 warning" : `${warnings} warnings`);
  return parts.join(" · ");
}

function freshness() {
  if (data === null) return link.trouble ? "no data yet" : "waiting for the first answer";
  const past = `last data ${span(age() / 1000)} ago`;
  if (link.trouble || age() > STALE_AFTER || !["live", "polling"].includes(link.mode)) return past;
  const how = link.mode === "live" ? "live" : `polling every ${POLL_EVERY / 1000} s`;
  return link.mode === "polling" || age() > FRESH_FOR ? `${how}, ${past}` : how;
}

function showState() {
  const [level, words, why] = judge();
  const current = level !== "unknown" && words !== "Not connected to the server";
  setData(get("banner"), "level", level);
  setText(get("words"), words);
  setText(get("why"), why);
  setText(get("about"), aboutServer());
  get("again").hidden = link.mode !== "signed-out";
  setText(get("freshness").firstElementChild, freshness());
  setData(get("freshness"), "mode", current ? link.mode : "lost");
  setData(get("figures"), "old", current ? "" : "yes"); // dims the figures
  const inTab = `${SYMBOLS[level]} ${words} - ${title}`;
  if (document.title !== inTab) document.title = inTab;
}

// If the answer is malformed, the page keeps the last one as a whole.
function take(text) {
  const before = data;
  try {
    data = JSON.parse(text);
    remember();
    render();
  } catch (error) {
    data = before;
    throw error;
  }
}

get("again").firstElementChild.href = location.pathname;
setInterval(() => link.tick(), 1_000); // the shown age grows
link.begin();

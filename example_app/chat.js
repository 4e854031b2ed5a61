// The chat in the browser: one WebSocket to the host that the page came from.

// The close codes after which coming back by oneself makes sense; docs/ lists them all.
const RECONNECT = new Set([1001, 1006, 1012, 1013, 1014]);
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
const CONNECT_TIMEOUT = 10_000;
const STABLE_AFTER = 5_000; // a server that takes and drops at once doesn't reset the back-off
const SETTLED_AFTER = 2_000;

const MOST_ENTRIES = 500;
const LONGEST_MESSAGE = 4_000;
const LONGEST_SHOWN = 20_000;
const LONGEST_NAME = 40;
const NOBODY = "Anonymous";

const get = (id) => document.getElementById(id);
const log = get("log");
const messages = get("messages");
const nameField = get("name");
const textField = get("text");
const sendButton = get("send");
const newer = get("newer");
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

let socket = null;
let attempts = 0;
let retryTimer = 0;
let stableTimer = 0;
let wasOnline = false;
let state = "connecting";
let following = true; // the end of the list is in sight, and stays so
const unsettled = new Set(); // own messages that the loss of the connection may take along

// The list of messages.

function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function timeStamp() {
  const now = new Date();
  const time = make("time", "", clock.format(now));
  time.dateTime = now.toISOString();
  time.title = calendar.format(now);
  return time;
}

function atEnd() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 48;
}

function scrollToEnd() {
  log.scrollTop = log.scrollHeight;
  following = true;
  newer.hidden = true;
}

function add(entry, follow = following) {
  get("empty").hidden = true;
  messages.append(entry);
  while (messages.childElementCount > MOST_ENTRIES) {
    const above = messages.children[1].offsetTop - messages.children[0].offsetTop;
    messages.firstElementChild.remove();
    get("older").hidden = false;
    if (!follow) log.scrollTop -= above; // what is being read stays where it is
  }
  if (follow) scrollToEnd();
  else newer.hidden = false;
}

function addNote(text) {
  const note = make("li", "note", `${text} `);
  note.append(timeStamp());
  add(note);
}

function addMessage(name, text, own) {
  const entry = make("li", own ? "message own" : "message", "");
  const about = make("p", "about", "");
  const who = make("bdi", "who", own ? "You" : name);
  if (!own) who.dataset.hue = hueOf(name);
  about.append(who, " ", timeStamp());
  const said = make("p", "said", text);
  said.dir = "auto";
  entry.append(about, said);
  add(entry, own || following);
  return entry;
}

function hueOf(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 6007;
  return sum % 6;
}

function cut(text, most) {
  if (text.length <= most) return text;
  return `${text.slice(0, most)}… (${text.length - most} more characters are not shown)`;
}

function receive(data) {
  if (typeof data !== "string") {
    addMessage("Someone", `(a binary message of ${data.byteLength} bytes)`, false);
    return;
  }
  let name = "Someone";
  let text = data;
  try {
    const content = JSON.parse(data);
    if (typeof content?.name === "string" && typeof content.text === "string" && content.text) {
      name = content.name.trim().slice(0, LONGEST_NAME) || NOBODY;
      text = content.text;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error; // plain text is a message too
  }
  addMessage(name, cut(text, LONGEST_SHOWN), false);
}

// The connection.

function show(newState, words) {
  state = newState;
  const shown = get("state");
  if (shown.dataset.state !== state) shown.dataset.state = state;
  if (shown.textContent !== words) shown.textContent = words; // said again only if it changed
  get("retry").hidden = state !== "offline";
  showForm();
}

function connect() {
  clearTimeout(retryTimer);
  retryTimer = 0;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const opening = new WebSocket(`${scheme}://${location.host}/`);
  opening.binaryType = "arraybuffer";
  socket = opening;
  const patience = setTimeout(() => opening.close(), CONNECT_TIMEOUT);
  opening.addEventListener("open", () => {
    clearTimeout(patience);
    if (opening !== socket) return;
    stableTimer = setTimeout(() => (attempts = 0), STABLE_AFTER);
    if (wasOnline) addNote("Back online. What others wrote in between is not shown here.");
    wasOnline = true;
    show("online", "Online");
  });
  opening.addEventListener("message", (event) => {
    if (opening === socket) receive(event.data);
  });
  opening.addEventListener("close", (event) => {
    clearTimeout(patience);
    lose(opening, event.code, event.reason);
  });
}

function lose(lost, code, reason) {
  if (lost !== socket) return;
  socket = null;
  clearTimeout(stableTimer);
  for (const entry of unsettled) {
    entry.firstElementChild.append(make("span", "doubt", "may not have arrived"));
  }
  unsettled.clear();
  const why = reason ? `${code}, ${reason}` : `${code}`;
  if (state === "online") addNote(`The connection ended (${why}).`);
  if (!RECONNECT.has(code)) {
    show("offline", "Offline");
    return;
  }
  show("offline", "Offline, retrying…");
  const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempts);
  attempts += 1;
  retryTimer = setTimeout(connect, delay * (0.5 + Math.random() / 2));
}

function connectNow() {
  show("connecting", "Connecting…");
  if (socket === null) connect(); // else an attempt is under way
}

// The form.

function showForm() {
  const online = state === "online";
  const excess = textField.value.length - LONGEST_MESSAGE;
  let hint = "";
  if (excess > 0) hint = `Too long to send by ${excess} characters.`;
  else if (!online) hint = "Not connected. What you write stays here until you can send it.";
  if (get("hint").textContent !== hint) get("hint").textContent = hint;
  get("hint").dataset.kind = excess > 0 ? "wrong" : "";
  textField.setAttribute("aria-invalid", String(excess > 0));
  if (document.activeElement === sendButton && !online) textField.focus(); // or focus is lost
  sendButton.disabled = !online || excess > 0;
  const words = { online: "Send", connecting: "Connecting…", offline: "Offline" };
  sendButton.textContent = words[state];
}

function send() {
  const text = textField.value.trim();
  if (!text || sendButton.disabled || socket?.readyState !== WebSocket.OPEN) return;
  const name = nameField.value.trim() || NOBODY;
  socket.send(JSON.stringify({ name, text }));
  const entry = addMessage(name, text, true); // the server sends it to the others alone
  unsettled.add(entry);
  settle(entry, socket);
  textField.value = "";
  showForm();
}

function settle(entry, over) {
  setTimeout(() => {
    if (over === socket && over.bufferedAmount > 0) settle(entry, over);
    else if (over === socket) unsettled.delete(entry);
  }, SETTLED_AFTER);
}

function remember(store) {
  try {
    store();
  } catch (error) {
    console.info("the name is not remembered:", error.name); // storage may be switched off
  }
}

get("form").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
  textField.focus();
});
textField.addEventListener("input", showForm);
nameField.addEventListener("input", () => {
  remember(() => localStorage.setItem("fws-chat-name", nameField.value.trim()));
});
log.addEventListener("scroll", () => {
  following = atEnd();
  if (following) newer.hidden = true;
});
newer.addEventListener("click", () => {
  scrollToEnd();
  log.focus(); // the button that had it is gone
});
get("retry").addEventListener("click", () => {
  textField.focus();
  connectNow();
});
addEventListener("online", () => {
  if (retryTimer) connectNow();
});
addEventListener("offline", () => {
  const stranded = socket; // it would not notice for minutes, and take messages meanwhile
  if (stranded === null) return;
  lose(stranded, 1006, "no network");
  stranded.close();
});
new ResizeObserver(() => {
  if (following) scrollToEnd();
}).observe(log);

remember(() => (nameField.value = localStorage.getItem("fws-chat-name") ?? ""));
connect();

// The page of the chat. filters.py describes the messages.

import { Connection } from "./connection.js";

const MOST_ENTRIES = 500;
const LONGEST_SHOWN = 20_000;
const ROOM = "fws-chat-room";

const get = (id) => document.getElementById(id);
const { name: me, socketPath, tokenUrl, logInUrl } = document.body.dataset;
const log = get("log");
const messages = get("messages");
const textField = get("text");
const sendButton = get("send");
const newer = get("newer");
const roomButtons = [...document.querySelectorAll("#rooms button")];
const firstRoom = roomButtons[0].dataset.room;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

let state = "connecting";
let asked = null; // the room of the last request to enter
let room = null; // the room that the server has confirmed
let people = null; // the people there; null until this connection has entered a room
let following = true; // the end of the list is visible, and is kept visible
let unanswered = []; // sent messages without an answer, in order

// The list of messages.

function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text; // never innerHTML: the text is from others
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
    if (!follow) log.scrollTop -= above; // the text that is being read stays in place
  }
  if (follow) scrollToEnd();
  else newer.hidden = false;
}

function addNote(text) {
  const note = make("li", "note", `${text} `);
  note.append(timeStamp());
  add(note);
}

function addMessage(name, text, yours) {
  const own = name === me; // or from another window of the same user
  const entry = make("li", own ? "message own" : "message", "");
  const about = make("p", "about", "");
  const who = make("bdi", "who", own ? "You" : name);
  if (!own) who.dataset.hue = hueOf(name);
  about.append(who, " ", timeStamp());
  const said = make("p", "said", cut(text, LONGEST_SHOWN));
  said.dir = "auto";
  entry.append(about, said);
  add(entry, yours || following);
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

// Messages from the server.

const receive = {
  people(content) {
    if (content.room !== room) {
      showRoom(content.room);
    } else if (people !== null) {
      for (const name of content.people) if (!people.includes(name)) addNote(`${name} joined.`);
      for (const name of people) if (!content.people.includes(name)) addNote(`${name} left.`);
    }
    people = content.people;
    get("people").replaceChildren(...people.map(person));
  },

  said({ name, text, yours }) {
    if (yours) unanswered.shift();
    addMessage(name, text, yours);
  },

  refused({ what, why }) {
    if (what === "say") {
      const text = unanswered.shift();
      textField.value ||= text; // so that it can be changed and sent again
      showForm(why);
    } else {
      addNote(why);
      if (what === "enter" && people === null && asked !== firstRoom) enter(firstRoom);
    }
  },

  announcement({ name, text }) {
    get("announcer").textContent = `${name} announces:`;
    get("announced").textContent = text;
    get("banner").hidden = false;
  },
};

function person(name) {
  const item = make("li", "", "");
  const who = make("bdi", "who", name);
  who.dataset.hue = hueOf(name);
  item.append(who);
  if (name === me) item.append(" (you)");
  return item;
}

function showRoom(entered) {
  if (room !== null) {
    messages.replaceChildren();
    get("older").hidden = true;
    newer.hidden = true;
  }
  room = entered;
  for (const each of roomButtons) {
    each.setAttribute("aria-pressed", String(each.dataset.room === room));
  }
  remember(() => sessionStorage.setItem(ROOM, room));
  addNote(`You are in the ${room}.`);
}

function ask(type, content) {
  connection.send(JSON.stringify({ type, ...content }));
}

function enter(name) {
  asked = name;
  ask("enter", { room: name });
}

// The connection.

function show(newState, words) {
  state = newState;
  const shown = get("state");
  if (shown.dataset.state !== state) shown.dataset.state = state;
  if (shown.textContent !== words) shown.textContent = words; // screen readers read it again if it is set
  get("retry").hidden = state !== "offline";
  for (const each of roomButtons) each.disabled = state !== "online";
  showForm();
}

const connection = new Connection(socketPath, tokenUrl, {
  online(again) {
    if (again) addNote("Back online. Messages sent in between are not shown.");
    show("online", "Online");
    enter(room ?? remembered() ?? firstRoom);
  },

  message(text) {
    let content;
    try {
      content = JSON.parse(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      addNote(cut(String(text), LONGEST_SHOWN)); // perhaps from another program
      return;
    }
    if (content?.fws === "gap") addNote("Some messages before this one are missing.");
    if (Object.hasOwn(receive, content?.type)) receive[content.type](content);
  },

  lost(code, reason, back) {
    for (const text of unanswered) addNote(`This may not have arrived: ${cut(text, 100)}`);
    unanswered = [];
    if (state === "online") {
      addNote(`The connection ended (${reason ? `${code}, ${reason}` : code}).`);
      people = null;
      get("people").replaceChildren();
    }
    show("offline", back ? "Offline, retrying…" : "Offline");
  },

  loggedOut() {
    location.assign(logInUrl);
  },
});

// Each window remembers its room; the storage may be disabled.

function remember(store) {
  try {
    return store();
  } catch (error) {
    console.info("the room is not remembered:", error.name);
    return null;
  }
}

function remembered() {
  return remember(() => sessionStorage.getItem(ROOM));
}

// The forms.

function showForm(why = "") {
  const online = state === "online";
  let hint = why;
  if (!online) hint = "Not connected. Your text stays here until you can send it.";
  if (get("hint").textContent !== hint) get("hint").textContent = hint;
  get("hint").dataset.kind = online && why ? "wrong" : "";
  textField.setAttribute("aria-invalid", String(Boolean(online && why)));
  if (document.activeElement === sendButton && !online) textField.focus(); // keeps the focus
  sendButton.disabled = !online;
  const words = { online: "Send", connecting: "Connecting…", offline: "Offline" };
  sendButton.textContent = words[state];
}

get("form").addEventListener("submit", (event) => {
  event.preventDefault();
  textField.focus();
  const text = textField.value;
  if (!text.trim() || state !== "online") return;
  unanswered.push(text);
  ask("say", { text });
  textField.value = "";
  showForm();
});
textField.addEventListener("input", () => showForm());

get("rooms").addEventListener("click", ({ target }) => {
  const wanted = target.dataset.room;
  if (wanted && wanted !== room) enter(wanted);
});

get("announce").addEventListener("submit", async (event) => {
  event.preventDefault(); // it is posted below, without leaving the page
  const form = event.target;
  const hint = get("announce-hint");
  hint.textContent = "";
  try {
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.action, { method: "POST", body });
    if (answer.status === 401) location.assign(logInUrl);
    else if (!answer.ok) hint.textContent = await answer.text();
    else form.reset();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // fetch raises it if the network is down
    hint.textContent = "The server can't be reached.";
  }
});
get("dismiss").addEventListener("click", () => {
  get("banner").hidden = true;
  textField.focus(); // the focused button is hidden now
});

log.addEventListener("scroll", () => {
  following = atEnd();
  if (following) newer.hidden = true;
});
newer.addEventListener("click", () => {
  scrollToEnd();
  log.focus(); // the focused button is hidden now
});
get("retry").addEventListener("click", () => {
  textField.focus();
  show("connecting", "Connecting…");
  connection.connect();
});
new ResizeObserver(() => {
  if (following) scrollToEnd();
}).observe(log);

show("connecting", "Connecting…");
connection.connect();

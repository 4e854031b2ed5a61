// A WebSocket that gets its own tokens, and reconnects. You may copy this file.

// The close codes after which a client reconnects by itself; docs/close_codes.md has all codes.
const RECONNECT = new Set([1001, 1006, 1012, 1013, 1014]);
const NO_VALID_TOKEN = 4401; // a new one may help, once
const LOST = 1006;

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
const PATIENCE = 10_000;
const STABLE_AFTER = 5_000; // a server that accepts and drops at once doesn't reset the back-off
const SHORTEST_RENEWAL = 500;
const LONGEST_TIMER = 86_400_000;

class LoggedOut extends Error {}

// `on` has a function for each event:
//   online(again)            the connection is open
//   message(text)            a message arrived
//   lost(code, reason, back) the connection or an attempt ended; `back`: it reconnects by itself
//   loggedOut()              the user is not logged in
export class Connection {
  #socket = null; // null while there is neither a connection nor an attempt
  #attempts = 0;
  #freshToken = false; // the last connection ended with 4401, and this one has a new token
  #wasOnline = false;
  #retryTimer = 0;
  #stableTimer = 0;
  #renewTimer = 0;

  constructor(path, tokenUrl, on) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.url = `${scheme}://${location.host}${path}`;
    this.tokenUrl = tokenUrl;
    this.on = on;
    addEventListener("online", () => this.#retryTimer && this.connect());
    addEventListener("offline", () => this.#strand());
  }

  send(text) {
    this.#socket.send(text);
  }

  async connect() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
    if (this.#socket !== null) return; // an attempt is under way
    const attempt = (this.#socket = { close() {} }); // stands for the socket until it is made
    let token;
    try {
      token = await this.#askForToken();
    } catch (error) {
      if (error instanceof LoggedOut) this.on.loggedOut();
      else if (this.#socket === attempt) this.#lose(attempt, LOST, "no token was issued");
      return;
    }
    if (this.#socket === attempt) this.#open(token);
  }

  #open(token) {
    const socket = new WebSocket(this.url, ["fws", `fws.bearer.${token.access_token}`]);
    this.#socket = socket;
    const patience = setTimeout(() => socket.close(), PATIENCE);
    socket.addEventListener("open", () => {
      clearTimeout(patience);
      if (socket !== this.#socket) return;
      this.#stableTimer = setTimeout(() => {
        this.#attempts = 0;
        this.#freshToken = false;
      }, STABLE_AFTER);
      this.#renewIn(token.expires_in / 2);
      const again = this.#wasOnline;
      this.#wasOnline = true;
      this.on.online(again);
    });
    socket.addEventListener("message", ({ data }) => {
      // The answers to a token: "token:accepted", or "token:refused" with a reason, then 4401.
      if (socket === this.#socket && !String(data).startsWith("token:")) this.on.message(data);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      clearTimeout(patience);
      this.#lose(socket, code, reason);
    });
  }

  #lose(lost, code, reason) {
    if (lost !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#stableTimer);
    clearTimeout(this.#renewTimer);
    const withNewToken = code === NO_VALID_TOKEN && !this.#freshToken;
    if (withNewToken) this.#freshToken = true;
    const back = withNewToken || RECONNECT.has(code);
    if (back) {
      // The delay also helps after 4401: a log-out in another window takes a moment.
      const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempts);
      this.#attempts += 1;
      this.#retryTimer = setTimeout(() => this.connect(), delay * (0.5 + Math.random() / 2));
    }
    this.on.lost(code, reason, back);
  }

  #strand() {
    const stranded = this.#socket; // it would accept messages for minutes before it notices
    if (stranded === null) return;
    this.#lose(stranded, LOST, "no network");
    stranded.close();
  }

  // Tokens.

  async #askForToken() {
    const signal = AbortSignal.timeout(PATIENCE);
    const answer = await fetch(this.tokenUrl, { method: "POST", signal });
    if (answer.status === 401) throw new LoggedOut();
    if (!answer.ok) throw new Error(`${this.tokenUrl}: ${answer.status}`);
    return answer.json();
  }

  #renewIn(seconds) {
    clearTimeout(this.#renewTimer);
    const delay = Math.min(LONGEST_TIMER, Math.max(SHORTEST_RENEWAL, seconds * 1000));
    this.#renewTimer = setTimeout(() => this.#renew(), delay);
  }

  async #renew() {
    const socket = this.#socket;
    try {
      const token = await this.#askForToken();
      if (socket !== this.#socket || socket.readyState !== WebSocket.OPEN) return;
      socket.send(`token:${token.access_token}`);
      this.#renewIn(token.expires_in / 2);
    } catch (error) {
      if (socket !== this.#socket) return;
      if (error instanceof LoggedOut) this.on.loggedOut();
      else this.#renewIn(5); // the old token is still valid
    }
  }
}

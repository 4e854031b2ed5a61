// The data of the server: over a WebSocket, or by polling while that is closed.

export const POLL_EVERY = 5_000;
const FIRST_DELAY = 2_000;
const LONGEST_DELAY = 30_000;
const PATIENCE = 4_500; // for an answer, or for the WebSocket to open
const SILENT_AFTER = 8_000; // an open WebSocket without data for so long is dead
const SIGNED_OUT = 4401;

// `take(text)` is called with an answer of the server, and throws if it can't be shown. `changed()`
// is called after each change of mode, trouble or heardAt.
export class Link {
  mode = "waiting"; // or "live", "polling", "paused", "signed-out"
  trouble = ""; // the reason why the last attempt to get data failed
  heardAt = 0;

  #socket = null;
  #delay = FIRST_DELAY;
  #retryTimer = 0;
  #polling = null; // identifies one period of polling: answers to an earlier one are ignored
  #pollTimer = 0;

  constructor({ dataUrl, livePath, take, changed }) {
    this.dataUrl = dataUrl;
    this.livePath = livePath;
    this.take = take;
    this.changed = changed;
  }

  begin() {
    document.addEventListener("visibilitychange", () => {
      if (this.mode === "signed-out") return;
      if (document.hidden) this.#stop("paused");
      else if (this.mode === "paused") this.#start();
    });
    addEventListener("online", () => {
      if (!this.trouble || document.hidden || this.mode === "signed-out") return;
      this.#stop("waiting");
      this.#start();
    });
    if (document.hidden) this.#stop("paused");
    else this.#start();
  }

  tick() {
    const silent = Date.now() - this.heardAt > SILENT_AFTER;
    if (this.mode === "live" && silent && this.#socket) this.#lose(this.#socket);
    this.changed();
  }

  #start() {
    this.mode = "waiting";
    this.trouble = "";
    this.#delay = FIRST_DELAY;
    this.#openSocket();
    this.changed();
  }

  #stop(mode) {
    const last = this.#socket;
    this.#socket = null; // so that its end is not taken for a loss
    last?.close();
    clearTimeout(this.#retryTimer);
    this.#stopPolling();
    this.mode = mode;
    this.changed();
  }

  #hear(text, how) {
    try {
      this.take(text);
      this.heardAt = Date.now();
      this.mode = how;
      this.trouble = "";
    } catch (error) {
      console.error(error);
      this.trouble = "This page can't read the answer. Reload the page.";
    }
    this.changed();
  }

  #fail(why) {
    this.trouble = why;
    this.changed();
  }

  // Over a WebSocket.

  #openSocket() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const opening = new WebSocket(`${scheme}://${location.host}${this.livePath}`);
    this.#socket = opening;
    const patience = setTimeout(() => this.#lose(opening), PATIENCE);
    opening.addEventListener("message", (event) => {
      clearTimeout(patience);
      if (opening !== this.#socket) return;
      this.#delay = FIRST_DELAY;
      this.#stopPolling();
      this.#hear(event.data, "live");
    });
    opening.addEventListener("close", (event) => {
      clearTimeout(patience);
      if (opening === this.#socket && event.code === SIGNED_OUT) this.#stop("signed-out");
      else this.#lose(opening);
    });
  }

  #lose(lost) {
    if (lost !== this.#socket) return;
    this.#socket = null;
    lost.close();
    // The delay is random, so that not all pages return at once.
    const delay = this.#delay * (0.75 + Math.random() / 4);
    this.#retryTimer = setTimeout(() => this.#openSocket(), delay);
    this.#delay = Math.min(LONGEST_DELAY, this.#delay * 2);
    if (this.mode === "live") this.mode = "polling";
    this.#startPolling();
    this.changed();
  }

  // Polling.

  #startPolling() {
    if (this.#polling) return;
    this.#polling = {};
    this.#poll(this.#polling);
  }

  #stopPolling() {
    this.#polling = null;
    clearTimeout(this.#pollTimer);
  }

  async #poll(turn) {
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      // A redirection leads to a login page, perhaps on a host that this page may not read.
      const how = { cache: "no-store", redirect: "manual", signal };
      const response = await fetch(this.dataUrl, how);
      const text = await response.text();
      if (turn === this.#polling) this.#answered(response, text);
    } catch (error) {
      if (turn !== this.#polling) return;
      const late = error.name === "TimeoutError";
      this.#fail(late ? "It does not answer." : "It can't be reached.");
    }
    if (turn === this.#polling) {
      this.#pollTimer = setTimeout(() => this.#poll(turn), POLL_EVERY);
    }
  }

  #answered(response, text) {
    const isJson = response.headers.get("Content-Type")?.includes("json");
    const isAway = response.redirected || response.type === "opaqueredirect";
    if ([401, 403].includes(response.status) || isAway || (response.ok && !isJson)) {
      this.#stop("signed-out");
    } else if (response.ok) {
      this.#hear(text, "polling");
    } else {
      this.#fail(`It answers with the error ${response.status}.`);
    }
  }
}

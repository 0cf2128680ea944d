// The gateway as the page sees it: its API, whether it answers, and who is logged in.

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** An answer that is an error: status, code and detail. */
export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail || code || `the gateway answered ${status}`);
    this.status = status;
    this.code = code;
  }
}

class Gateway {
  state = { ready: false, session: null, down: false, restarted: false, message: "" };
  #watchers = new Set();
  #coming = null; // the promise of recover
  #instance = ""; // of the process that was spoken to last

  watch(f) {
    this.#watchers.add(f);
    f(this.state);
    return () => this.#watchers.delete(f);
  }

  #set(change) {
    this.state = { ...this.state, ...change };
    for (const f of this.#watchers) f(this.state);
  }

  async #fetch(path, body) {
    const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const answer = await fetch("/api/" + path, options);
    const text = await answer.text();
    let value = {};
    try {
      value = JSON.parse(text);
    } catch {
      throw new Problem(answer.status, "", text.slice(0, 200));
    }
    if (!answer.ok) throw new Problem(answer.status, value.code, value.detail);
    return value;
  }

  /** call asks the API; with a body it is a change. Where the gateway does not answer
      it says so, and waits for it in the background. */
  async call(path, body) {
    try {
      return await this.#fetch(path, body);
    } catch (e) {
      if (!(e instanceof Problem)) this.recover();
      else if (e.code === "logged_out") this.recover();
      throw e;
    }
  }

  /** recover waits for a gateway that does not answer, or logs in again where that
      needs no key. */
  recover() {
    this.#coming ??= this.#recover().finally(() => { this.#coming = null; });
    return this.#coming;
  }

  async #recover() {
    for (let wait = 250; ; wait = Math.min(wait * 1.5, 3000)) {
      try {
        this.#enter(await this.#session());
        return;
      } catch (e) {
        if (e instanceof Problem) {
          const message = this.#instance ? "You are logged out: the gateway was restarted, the key was revoked, or twelve hours have passed." : "";
          this.#set({ ready: true, down: false, session: null, message: e.code === "logged_out" || e.code === "unauthorized" ? message : e.message });
          return;
        }
        this.#set({ ready: true, down: true });
        await pause(wait);
      }
    }
  }

  /** #session is that of the cookie, or of a login without a key where there are none. */
  async #session() {
    try {
      return await this.#fetch("session");
    } catch (e) {
      if (!(e instanceof Problem) || e.code !== "logged_out") throw e;
      return await this.#fetch("login", { key: "" });
    }
  }

  #enter(session) {
    const restarted = this.#instance !== "" && this.#instance !== session.instance;
    this.#instance = session.instance;
    this.#set({ ready: true, session, down: false, message: "", restarted: restarted || this.state.restarted });
  }

  begin() {
    return this.recover();
  }

  async login(key) {
    this.#enter(await this.#fetch("login", { key }));
  }

  async logout() {
    await this.#fetch("logout", {}).catch(() => {});
    this.#instance = "";
    this.#set({ session: null, message: "", restarted: false });
  }

  seen() {
    this.#set({ restarted: false });
  }
}

export const gateway = new Gateway();

import "uplot/dist/uPlot.min.css";
import "./style.css";
import { h, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import htm from "htm";
import { gateway } from "./gateway.js";
import { Login } from "./login.js";
import { Overview } from "./overview.js";
import { Search } from "./search.js";
import { Client } from "./client.js";
import { Tail } from "./tail.js";
import { Try } from "./try.js";

const html = htm.bind(h);

const views = {
  overview: ["Overview", Overview],
  search: ["Search", Search],
  tail: ["Live tail", Tail],
  try: ["Try it", Try],
  client: ["Client", Client],
};

// where is the view that the address names, and its parameters.
function where() {
  const [name, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { name: views[name] ? name : "overview", query: new URLSearchParams(query) };
}

function App() {
  const [state, setState] = useState(gateway.state);
  const [at, setAt] = useState(where);
  useEffect(() => gateway.watch(setState), []);
  useEffect(() => {
    const moved = () => {
      setAt(where());
      document.getElementById("main")?.focus();
    };
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const [title, View] = views[at.name];
  useEffect(() => {
    document.title = `${title} – castgate`;
  }, [title]);
  const { session } = state;
  return html`
    <a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById("main").focus(); }}>Skip to the content</a>
    <header>
      <strong class="brand">castgate</strong>
      ${session && html`<nav aria-label="Views">
        ${Object.entries(views).filter(([name]) => name !== "client").map(([name, [label]]) => html`
          <a key=${name} href=${"#/" + name} aria-current=${name === at.name ? "page" : null}>${label}</a>`)}
        <a href="/docs">API</a>
      </nav>
      <span class="who">${session.keyless ? "no keys are set" : session.key}
        ${!session.keyless && html` <button type="button" class="quiet" onClick=${() => gateway.logout()}>Log out</button>`}
      </span>`}
    </header>
    <div role="status" aria-live="polite" id="banner">
      ${state.down && html`<p class="banner bad">The gateway does not answer. Trying again…</p>`}
      ${!state.down && state.restarted && html`<p class="banner">The gateway was restarted; what you see is of the new process.
        <button type="button" class="quiet" onClick=${() => gateway.seen()}>OK</button></p>`}
    </div>
    <main id="main" tabindex="-1">
      ${session ? html`<${View} key=${at.name + at.query + session.instance} query=${at.query} session=${session} />`
        : state.ready && html`<${Login} message=${state.message} />`}
    </main>
    ${session && html`<footer>castgate ${session.version}</footer>`}`;
}

render(html`<${App} />`, document.getElementById("app"));
gateway.begin();

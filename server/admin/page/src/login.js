import { h } from "preact";
import { useState } from "preact/hooks";
import htm from "htm";
import { gateway } from "./gateway.js";

const html = htm.bind(h);

export function Login({ message }) {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (e) => {
    e.preventDefault();
    setBusy(true);
    setError("");
    try {
      await gateway.login(new FormData(e.target).get("key").trim());
    } catch (problem) {
      setError(problem.message);
      setBusy(false);
    }
  };
  return html`<section class="login">
    <h1>Log in</h1>
    ${message && html`<p class="note" id="login-message">${message}</p>`}
    <form onSubmit=${submit}>
      <label for="key">Key of the control API</label>
      <input id="key" name="key" type="password" autocomplete="current-password" required autofocus spellcheck="false" />
      <button id="login" disabled=${busy}>Log in</button>
    </form>
    <p role="alert" class="error" id="login-error">${error}</p>
    <p class="hint">A key with the scope <code>read</code> looks, one with <code>manage</code> also kicks and binds, <code>push</code> also
      pushes. <code>castgate key new --name admin --scope read,push,manage --file castgate.keys</code> makes one.</p>
  </section>`;
}

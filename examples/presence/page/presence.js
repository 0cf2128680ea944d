// The page: it tells its backend who its user is, and shows who is online.
import { connect } from './castgate.js'; // clients/js

const $ = id => document.getElementById(id);

let name = sessionStorage.getItem('name') ?? ''; // as whom the page is bound after each connect
let version = 0; // of the list that is shown: pushes may overtake each other

const { ws } = await ask('settings');
const push = connect(ws, {
  async bind(clientId) {
    if (name) await ask('login', { client_id: clientId, name });
    show(await ask('online')); // what was pushed while this page was away
  },
  message({ json }) {
    if (json?.type === 'online') show(json);
  },
  state(state, { clientId }) {
    $('state').dataset.state = clientId ? 'open' : 'closed';
    $('state').textContent = !clientId ? 'connecting' : name ? `online as ${name}` : 'connected, without a name';
    $('logout').hidden = !name;
  },
});

function show(list) {
  if (list.version < version) return;
  version = list.version;
  $('online').replaceChildren(...list.names.map(text => {
    const row = document.createElement('li');
    row.textContent = text; // never taken for HTML
    return row;
  }));
}

// ask answers the parsed JSON of a route of the backend.
async function ask(route, body) {
  const response = await fetch(route, body && {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${route}: status ${response.status}`);
  return response.json();
}

// become connects again under another name; '' is nobody. The gateway tells the
// backend of the connection that ends.
function become(who) {
  name = who;
  sessionStorage.setItem('name', name);
  push.close();
  push.open();
}

$('login-form').addEventListener('submit', event => {
  event.preventDefault();
  become($('name').value.trim());
});
$('logout').addEventListener('click', () => become(''));

// The reference of the control API, from its OpenAPI document. The viewer is large, so it
// is a page of its own: those who do not open it do not load it.
import "swagger-ui-dist/swagger-ui.css";
import "./docs.css";
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
paint();
dark.addEventListener("change", paint);

// A path is within the button that opens it, where a link would be a control in a control.
const paths = () => ({ components: { DeepLink: ({ text }) => text } });

// The viewer's choices of examples have no names.
const names = new MutationObserver(() => {
  for (const select of document.querySelectorAll("select:not([aria-label]):not([id])")) select.setAttribute("aria-label", "Example");
});
names.observe(document.getElementById("reference"), { childList: true, subtree: true });

// Nothing is sent from here: the control port may be where no browser reaches it.
SwaggerUI({
  url: "/docs/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  plugins: [paths],
  supportedSubmitMethods: [],
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});

// Bundles the page into ../built, which the program embeds. See the Makefile.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, readdir, writeFile } from "node:fs/promises";

const out = new URL("../built/", import.meta.url);
await mkdir(out, { recursive: true });
const result = await build({
  absWorkingDir: new URL(".", import.meta.url).pathname,
  entryPoints: { app: "src/main.js" },
  outdir: out.pathname,
  bundle: true,
  format: "esm",
  target: ["es2022"],
  minify: true,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});
for (const name of ["index.html", "icon.svg"]) await copyFile(new URL(name, import.meta.url), new URL(name, out));

// The licences of the packages of which something is in the bundle.
const packages = new Set(
  Object.keys(result.metafile.inputs)
    .map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
    .filter(Boolean),
);
let text = "";
for (const name of [...packages].sort()) {
  const folder = new URL(`node_modules/${name}/`, import.meta.url);
  const about = JSON.parse(await readFile(new URL("package.json", folder), "utf8"));
  const file = (await readdir(folder)).find((f) => /^licen[cs]e/i.test(f));
  if (!file) throw new Error(`${name} has no licence`);
  text += `${name} ${about.version} (${about.license})\n\n${(await readFile(new URL(file, folder), "utf8")).trim()}\n\n`;
}
await writeFile(new URL("licenses.txt", out), text);

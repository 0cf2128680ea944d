// Bundles the page into ../built, which the program embeds. See the Makefile.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const out = new URL("../built/", import.meta.url);
await mkdir(out, { recursive: true });
for (const name of await readdir(out)) if (name !== "README") await rm(new URL(name, out));
const result = await build({
  absWorkingDir: new URL(".", import.meta.url).pathname,
  entryPoints: { app: "src/main.js", docs: "src/docs.js" },
  outdir: out.pathname,
  bundle: true,
  format: "esm",
  target: ["es2022"],
  minify: true,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  write: false,
});
for (const { path, contents } of result.outputFiles) await writeFile(path + ".gz", gzipSync(contents, { level: 9 }));
for (const name of ["index.html", "docs.html", "icon.svg"]) await copyFile(new URL(name, import.meta.url), new URL(name, out));

// The licences of the packages of which something is in the bundle.
const packages = new Set(
  Object.keys(result.metafile.inputs)
    .map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
    .filter(Boolean),
);
let text = "";
const bundled = [];
for (const name of [...packages].sort()) {
  const folder = new URL(`node_modules/${name}/`, import.meta.url);
  const { version, license } = JSON.parse(await readFile(new URL("package.json", folder), "utf8"));
  // NOTICE, and what the licences of a package's own bundle are, belong to it.
  const files = (await readdir(folder)).filter((f) => /^(licen[cs]e|notice)|es-bundle\.js\.license\.txt$/i.test(f)).sort();
  if (!files.some((f) => /^licen/i.test(f))) throw new Error(`${name} has no licence`);
  text += `${name} ${version} (${license})\n\n`;
  for (const file of files) text += (await readFile(new URL(file, folder), "utf8")).trim() + "\n\n";
  bundled.push({ name, version, license });
  bundled.push(...(await inside(folder)));
}
await writeFile(new URL("packages.json", out), JSON.stringify(bundled, null, 1) + "\n");
await writeFile(new URL("licenses.txt", out), text);

// The packages that a package has bundled itself, as it says. It does not say which
// versions.
async function inside(folder) {
  try {
    const list = await readFile(new URL("log.es-bundle-sizes.swagger-ui.txt", folder), "utf8");
    return [...list.matchAll(/^((?:@[\w.-]+\/)?[\w.-]+):/gm)].map(([, name]) => ({ name, version: "" }));
  } catch {
    return [];
  }
}

// Bundles the page: `node page/build.mjs [folder]`. Of the contracts' artifacts only the ABI is taken.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const abiOnly = {
  name: "abi",
  setup(builder) {
    builder.onLoad({ filter: /artifacts[\\/]\w+\.json$/ }, ({ path }) => ({
      contents: JSON.stringify({ abi: JSON.parse(readFileSync(path, "utf8")).abi }),
      loader: "json",
    }));
  },
};
const common = {
  bundle: true,
  minify: true,
  target: "es2022",
  plugins: [abiOnly],
  legalComments: "none",
  logLevel: "warning",
};
const folder = process.argv[2] ?? here(".");
await build({ ...common, format: "esm", entryPoints: [here("src/main.js")], outfile: `${folder}/app.js` });
await build({ ...common, format: "iife", entryPoints: [here("src/worker.js")], outfile: `${folder}/worker.js` });

// Bundles the page: `node page/build.mjs [folder]`. Of the contracts' artifacts only the ABI is taken, without the names
// that Solidity has for its types. `runs.wat` becomes machine code in `runs.js`.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import wabt from "wabt";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const abiOnly = {
  name: "abi",
  setup(builder) {
    builder.onLoad({ filter: /artifacts[\\/]\w+\.json$/ }, ({ path }) => ({
      contents: JSON.stringify({ abi: JSON.parse(readFileSync(path, "utf8")).abi }, (name, value) =>
        name === "internalType" ? undefined : value,
      ),
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

const { parseWat } = await wabt();
const { buffer } = parseWat("runs.wat", readFileSync(here("src/runs.wat"), "utf8")).toBinary({});
const code = Buffer.from(buffer).toString("base64");
const runs = `// Made of runs.wat by \`node page/build.mjs\`.\n\nexport const CODE =\n  "${code}";\n`;
if (folder === here(".")) writeFileSync(here("src/runs.js"), runs);
else if (readFileSync(here("src/runs.js"), "utf8") !== runs)
  throw new Error("page/src/runs.js is stale; run `make page`");
await build({ ...common, format: "esm", entryPoints: [here("src/main.js")], outfile: `${folder}/app.js` });
await build({ ...common, format: "iife", entryPoints: [here("src/worker.js")], outfile: `${folder}/worker.js` });

// Compiles a circuit for one size: node compile.mjs NAME DEPTH FOLDER

import { compile_program, createFileManager } from "@noir-lang/noir_wasm";
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const [name, depth, folder] = [process.argv[2], Number(process.argv[3]), resolve(process.argv[4])];
const here = dirname(fileURLToPath(import.meta.url));
const work = join(folder, `compile-${name}-${depth}-${process.pid}`);
mkdirSync(work, { recursive: true });
try {
  for (const each of ["rules", name])
    cpSync(join(here, each), join(work, each), { recursive: true, dereference: true });
  const path = join(work, name, "src", "main.nr");
  const source = readFileSync(path, "utf8");
  const sized = source.replace(/(?<=^global DEPTH: u32 = )\d+(?=;$)/m, String(depth));
  writeFileSync(path, sized);
  console.log = () => {};
  const { program } = await compile_program(
    createFileManager(work),
    join(work, name),
    () => {},
    (line) => process.stderr.write(`${line}\n`),
  );
  const { noir_version, abi, bytecode } = program;
  const out = join(work, "circuit.json");
  writeFileSync(
    out,
    JSON.stringify({ noir_version, hash: "", abi, bytecode, debug_symbols: "", file_map: {} }),
  );
  renameSync(out, join(folder, `${name}-${depth}.json`));
} finally {
  rmSync(work, { recursive: true, force: true });
}
